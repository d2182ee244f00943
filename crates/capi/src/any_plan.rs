//! Plans and packed weights of every scheme whose matrices are float, behind one type each.

use crate::matrix::cke_dtype;
use crate::status::Failure;
use cke_kernels::gemm::{Ctx, Destination, Epilogue, GemmPlan, Input, PackedB, PanelFormat, Shape};
use cke_kernels::scheme::{Bf16, F16, F32, Int4, Int8, Int8PerChannel};
use cke_kernels::view::MatRef;
use cke_kernels::{Cpu, Error};

/// `any_plan!(F32 CKE_F32, …)`: the two types, with a variant for each scheme, named after it and chosen by its dtype.
macro_rules! any_plan {
    ($($scheme:ident $dtype:ident),*) => {
        pub(crate) enum AnyPlan { $($scheme(GemmPlan<$scheme>)),* }

        pub(crate) enum AnyPacked { $($scheme(PackedB<$scheme>)),* }

        impl AnyPlan {
            pub(crate) fn new(cpu: &Cpu, dtype: cke_dtype, shape: Shape) -> Result<AnyPlan, Failure> {
                match dtype {
                    $(cke_dtype::$dtype => Ok(AnyPlan::$scheme(GemmPlan::new(cpu, shape))),)*
                    other => Err(other.unsupported("dtype of a plan", &[$(cke_dtype::$dtype),*])),
                }
            }

            /// Columns of B.
            pub(crate) fn n(&self) -> usize {
                match self { $(AnyPlan::$scheme(plan) => plan.n()),* }
            }

            pub(crate) fn pack_b(&self, b: MatRef<'_, f32>) -> Result<AnyPacked, Error> {
                Ok(match self { $(AnyPlan::$scheme(plan) => AnyPacked::$scheme(plan.pack_b(b)?)),* })
            }

            /// C = activation(scale · A · B + bias) + residual.
            pub(crate) fn run(
                &self,
                a: MatRef<'_, f32>,
                b: &AnyPacked,
                c: Destination<'_>,
                epilogue: &Epilogue<'_>,
                ctx: &mut Ctx<'_>,
            ) -> Result<(), Error> {
                match (self, b) {
                    $((AnyPlan::$scheme(plan), AnyPacked::$scheme(b)) => plan.run_into(Input::Matrix(a), b, c, epilogue, ctx),)*
                    _ => {
                        let (kernel, wanted) = self.kernel();
                        Err(Error::PackedForAnotherKernel { kernel, wanted, found: b.format() })
                    }
                }
            }

            /// The name of the kernel and the panels that it reads.
            fn kernel(&self) -> (&'static str, PanelFormat) {
                match self {
                    $(AnyPlan::$scheme(plan) => {
                        let record = plan.kernel().record();
                        (record.name(), record.panel_format())
                    })*
                }
            }
        }

        impl AnyPacked {
            pub(crate) fn bytes(&self) -> usize {
                match self { $(AnyPacked::$scheme(packed) => packed.bytes()),* }
            }

            fn format(&self) -> PanelFormat {
                match self { $(AnyPacked::$scheme(packed) => packed.format()),* }
            }
        }
    };
}

any_plan!(
    F32 CKE_F32, Bf16 CKE_BF16, F16 CKE_F16, Int8 CKE_INT8, Int8PerChannel CKE_INT8_CHANNEL, Int4 CKE_INT4
);
