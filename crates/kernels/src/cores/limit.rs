//! The limit on threads that the environment sets.

use crate::threads::MAX_THREADS;

/// The variables that limit the number of threads. The first of them that has a number counts.
pub const THREAD_VARIABLES: [&str; 5] =
    ["CKE_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"];

/// A number of threads that the environment sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadLimit {
    /// From 1 to [`MAX_THREADS`].
    pub threads: usize,
    /// The one of [`THREAD_VARIABLES`] that says so.
    pub variable: &'static str,
}

/// The limit on threads that the environment sets: the first of [`THREAD_VARIABLES`] that is a whole number above 0, or begins with one
/// and a comma. "4,2" has one number for each level of nesting, as in OpenMP, and 4 counts. Numbers above [`MAX_THREADS`] count as
/// [`MAX_THREADS`], other values as not set.
pub fn threads_from_environment() -> Option<ThreadLimit> {
    first_limit(|variable| std::env::var(variable).ok())
}

fn first_limit(value: impl Fn(&str) -> Option<String>) -> Option<ThreadLimit> {
    THREAD_VARIABLES.into_iter().find_map(|variable| {
        let threads = leading_count(&value(variable)?)?.min(MAX_THREADS);
        Some(ThreadLimit { threads, variable })
    })
}

fn leading_count(value: &str) -> Option<usize> {
    let first = value.split(',').next().unwrap_or(value);
    first.trim().parse().ok().filter(|&threads| threads > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit in an environment with these variables.
    fn limit(variables: &[(&str, &str)]) -> Option<(usize, &'static str)> {
        let value = |name: &str| Some(variables.iter().find(|variable| variable.0 == name)?.1.to_owned());
        first_limit(value).map(|limit| (limit.threads, limit.variable))
    }

    #[test]
    fn leading_count_takes_the_outer_level_and_no_nonsense() {
        assert_eq!(leading_count("4"), Some(4));
        assert_eq!(leading_count(" 3 ,2"), Some(3));
        for nonsense in ["", "0", "-1", "many", ",2", "1e3", "99999999999999999999999"] {
            assert_eq!(leading_count(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn limit_is_that_of_the_first_variable_in_order() {
        for (first, &variable) in THREAD_VARIABLES.iter().enumerate() {
            let numbers: Vec<String> =
                (1..).take(THREAD_VARIABLES.len()).map(|number: usize| number.to_string()).collect();
            let rest: Vec<_> =
                THREAD_VARIABLES.into_iter().zip(numbers.iter().map(String::as_str)).skip(first).collect();
            assert_eq!(limit(&rest), Some((first + 1, variable)));
        }
        assert_eq!(limit(&[]), None);
    }

    #[test]
    fn limit_passes_over_what_is_no_number_and_stops_at_the_most_threads() {
        assert_eq!(limit(&[("CKE_NUM_THREADS", "all"), ("MKL_NUM_THREADS", "4,2")]), Some((4, "MKL_NUM_THREADS")));
        assert_eq!(limit(&[("CKE_NUM_THREADS", "0"), ("OMP_NUM_THREADS", "-1"), ("BLIS_NUM_THREADS", "")]), None);
        assert_eq!(limit(&[("CKE_NUM_THREADS", "1000000")]), Some((MAX_THREADS, "CKE_NUM_THREADS")));
    }
}
