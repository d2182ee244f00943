//! Queries, keys and values as one layer.

use super::{Layout, Linear, Part, Sensitivity, load_weights};
use crate::error::Error;
use crate::qkv_shape::QkvShape;
use crate::runtime::Runtime;
use crate::source::Source;
use crate::weight_format::WeightFormat;
use cke_kernels::Cpu;

impl Linear {
    /// From an (out, in) matrix of each.
    pub(crate) fn qkv(
        runtime: &Runtime,
        [queries, keys, values]: &[Source<'_>; 3],
        inputs: usize,
        shape: QkvShape,
        has_bias: bool,
    ) -> Result<Linear, Error> {
        let part = |source, outputs| Part::whole(source, "weight", Layout::OutIn, outputs);
        let (query_width, key_width) = (shape.query_width(), shape.key_width());
        let parts = [part(queries, query_width), part(keys, key_width), part(values, key_width).sensitive()];
        Linear::of_all(runtime, &parts, inputs, has_bias)
    }

    /// From one matrix of all.
    pub(crate) fn joined_qkv(
        runtime: &Runtime,
        source: &Source<'_>,
        layout: Layout,
        inputs: usize,
        shape: QkvShape,
        has_bias: bool,
    ) -> Result<Linear, Error> {
        let (outputs, values) = (shape.row_width(), shape.values());
        let all = Part::whole(source, "weight", layout, outputs);
        let parts = match runtime.weight_format() {
            WeightFormat::Int4 => {
                let others = Part { range: 0..values.start, ..all };
                vec![others, Part { range: values, ..all }.sensitive()]
            }
            _ => vec![all],
        };
        let bias = has_bias.then(|| source.vector(&["bias"], outputs));
        Ok(Linear::of(load_weights(runtime, &parts, inputs)?, inputs, bias.transpose()?))
    }

    /// As [`Linear::bytes_for`].
    pub(crate) fn qkv_bytes_for(
        cpu: &Cpu,
        format: WeightFormat,
        inputs: usize,
        shape: QkvShape,
        has_bias: bool,
    ) -> usize {
        let bytes = |outputs, sensitivity| Linear::bytes_for(cpu, format, (inputs, outputs), sensitivity, has_bias);
        match format {
            WeightFormat::Int4 => {
                let values = shape.values();
                bytes(values.start, Sensitivity::Usual) + bytes(values.len(), Sensitivity::High)
            }
            _ => bytes(shape.row_width(), Sensitivity::Usual),
        }
    }
}
