//! The kernels that compute a model, by name.

use cke_kernels::attention::AttentionPlan;

/// The kernels of a model, each once, in the order in which a pass meets them. Results of two machines have the same bits if their kernels
/// are of the same family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelNames {
    /// Of linear layers.
    pub layers: Vec<&'static str>,
    /// Of both products of attention.
    pub attention: Vec<&'static str>,
}

impl KernelNames {
    pub(crate) fn new<'a>(
        layers: impl Iterator<Item = &'static str>,
        attention: impl Iterator<Item = &'a AttentionPlan>,
    ) -> KernelNames {
        KernelNames { layers: distinct(layers), attention: distinct(attention.map(AttentionPlan::kernel_name)) }
    }
}

fn distinct(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_once_in_their_order() {
        assert_eq!(distinct(["b", "a", "b", "a"].into_iter()), ["b", "a"]);
    }
}
