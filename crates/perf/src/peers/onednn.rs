//! oneDNN's C interface, as far as products need it: memory, reorders and the matmul primitive.
//!
//! Source: `dnnl.h`, `dnnl_common.h` and `dnnl_types.h` of oneDNN 3. What they call a memory descriptor is a [`Layout`] here.

#![allow(unsafe_code, reason = "functions of a foreign library")]

use super::foreign::Opened;
use super::worker::WorkerError;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr::{null_mut, slice_from_raw_parts_mut};

type Object = *mut c_void;
type Dims = *const i64;

/// The functions `dnnl_…` of these names and types.
macro_rules! functions {
    ($($name:ident($($argument:ty),*) -> $result:ty;)*) => {
        struct Functions {
            $($name: unsafe extern "C" fn($($argument),*) -> $result,)*
        }

        impl Functions {
            fn load(library: &Opened) -> Result<Functions, WorkerError> {
                // SAFETY: these are their types by the headers of version 3, and the library is never closed.
                unsafe { Ok(Functions { $($name: library.routine(concat!("dnnl_", stringify!($name)))?,)* }) }
            }
        }
    };
}

functions! {
    engine_create(*mut Object, c_int, usize) -> c_int;
    stream_create(*mut Object, Object, c_uint) -> c_int;
    stream_wait(Object) -> c_int;
    memory_desc_create_with_strides(*mut Object, c_int, Dims, c_int, Dims) -> c_int;
    memory_desc_create_with_tag(*mut Object, c_int, Dims, c_int, c_int) -> c_int;
    memory_desc_clone(*mut Object, Object) -> c_int;
    memory_desc_get_size(Object) -> usize;
    memory_desc_destroy(Object) -> c_int;
    memory_create(*mut Object, Object, Object, *mut c_void) -> c_int;
    memory_get_data_handle(Object, *mut *mut c_void) -> c_int;
    memory_set_data_handle(Object, *mut c_void) -> c_int;
    memory_destroy(Object) -> c_int;
    primitive_attr_create(*mut Object) -> c_int;
    primitive_attr_set_scales_mask(Object, c_int, c_int) -> c_int;
    primitive_attr_destroy(Object) -> c_int;
    reorder_primitive_desc_create(*mut Object, Object, Object, Object, Object, Object) -> c_int;
    matmul_primitive_desc_create(*mut Object, Object, Object, Object, Object, Object, Object) -> c_int;
    primitive_desc_query(Object, c_int, c_int, *mut c_void) -> c_int;
    primitive_desc_query_md(Object, c_int, c_int) -> Object;
    primitive_desc_destroy(Object) -> c_int;
    primitive_create(*mut Object, Object) -> c_int;
    primitive_execute(Object, Object, c_int, *const Argument) -> c_int;
    primitive_destroy(Object) -> c_int;
}

const CPU: c_int = 1;
const IN_ORDER: c_uint = 1;
const ANY_TAG: c_int = 1;
const QUERY_IMPLEMENTATION: c_int = 8;
const QUERY_WEIGHTS: c_int = 131;
const ALLOCATE: *mut c_void = usize::MAX as *mut c_void;
/// `DNNL_RUNTIME_…` of builds that compute in the calling process: sequential, OpenMP, TBB.
const HOST_RUNTIMES: [c_uint; 3] = [1, 2, 4];

/// `dnnl_data_type_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum Number {
    Bf16 = 2,
    F32 = 3,
    S8 = 5,
    U8 = 6,
}

/// `DNNL_ARG_…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum Role {
    Source = 1,
    Destination = 17,
    Weights = 33,
    Bias = 41,
    SourceScale = 4096 | 1,
    WeightScales = 4096 | 33,
}

/// `dnnl_exec_arg_t`.
#[repr(C)]
struct Argument {
    role: c_int,
    memory: Object,
}

/// The CPU, and the order in which it works.
pub(super) struct Engine {
    functions: Functions,
    /// Never destroyed: the process ends with them.
    engine: Object,
    stream: Object,
}

/// An object of the library, and what destroys it.
struct Owned {
    object: Object,
    destroy: unsafe extern "C" fn(Object) -> c_int,
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: made by the library and not destroyed before.
        unsafe { (self.destroy)(self.object) };
    }
}

/// Sizes, numbers and strides of a matrix; the strides may be the library's choice.
pub(super) struct Layout(Owned);

/// A matrix in the library's memory.
pub(super) struct Memory {
    owned: Owned,
    layout: Layout,
}

/// A product that is ready to run with its operands.
pub(super) struct Matmul {
    primitive: Owned,
    arguments: Vec<(Role, Memory)>,
    implementation: String,
}

/// What a product is made of; its weights lie as the library likes.
pub(super) struct Description<'a> {
    pub(super) source: &'a Layout,
    pub(super) weights: &'a Layout,
    pub(super) bias: Option<&'a Layout>,
    pub(super) destination: &'a Layout,
    /// One scale of the source, and one for each column of the weights.
    pub(super) has_scales: bool,
}

/// A product whose operands are not there yet.
pub(super) struct Plan {
    description: Owned,
    weights: Layout,
}

fn succeed(status: c_int) -> Result<(), WorkerError> {
    if status == 0 { Ok(()) } else { Err(WorkerError::Status { status }) }
}

fn dims<const N: usize>(sizes: [usize; N]) -> Result<[i64; N], WorkerError> {
    let mut dims = [0; N];
    for (dim, size) in dims.iter_mut().zip(sizes) {
        *dim = i64::try_from(size).map_err(|_| WorkerError::Size { found: size })?;
    }
    Ok(dims)
}

impl Engine {
    /// The CPU's.
    ///
    /// # Errors
    /// If the library is no oneDNN 3, or was built for CPUs that SYCL finds.
    pub(super) fn new(library: &Opened) -> Result<Engine, WorkerError> {
        let (major, runtime) = library.onednn_build().unwrap_or_default();
        if major != 3 {
            return Err(WorkerError::OnednnVersion { found: major });
        }
        if !HOST_RUNTIMES.contains(&runtime) {
            return Err(WorkerError::OnednnRuntime);
        }
        let functions = Functions::load(library)?;
        let (mut engine, mut stream) = (null_mut(), null_mut());
        // SAFETY: places for what is made.
        unsafe {
            succeed((functions.engine_create)(&mut engine, CPU, 0))?;
            succeed((functions.stream_create)(&mut stream, engine, IN_ORDER))?;
        }
        Ok(Engine { functions, engine, stream })
    }

    /// An object that `make` puts in its place.
    fn make(
        &self,
        destroy: unsafe extern "C" fn(Object) -> c_int,
        make: impl FnOnce(*mut Object) -> c_int,
    ) -> Result<Owned, WorkerError> {
        let mut object = null_mut();
        succeed(make(&mut object))?;
        Ok(Owned { object, destroy })
    }

    /// A matrix of these sizes with these strides; without any the library chooses.
    pub(super) fn layout(
        &self,
        number: Number,
        sizes: [usize; 2],
        strides: Option<[usize; 2]>,
    ) -> Result<Layout, WorkerError> {
        let Some(strides) = strides else {
            let Functions { memory_desc_destroy, memory_desc_create_with_tag, .. } = self.functions;
            let sizes = dims(sizes)?;
            // SAFETY: two sizes, which the library copies.
            return Ok(Layout(self.make(memory_desc_destroy, |place| unsafe {
                memory_desc_create_with_tag(place, 2, sizes.as_ptr(), number as c_int, ANY_TAG)
            })?));
        };
        self.strided(number, dims(sizes)?, dims(strides)?)
    }

    /// As many f32.
    pub(super) fn vector(&self, len: usize) -> Result<Layout, WorkerError> {
        self.strided(Number::F32, dims([len])?, [1])
    }

    fn strided<const N: usize>(
        &self,
        number: Number,
        sizes: [i64; N],
        strides: [i64; N],
    ) -> Result<Layout, WorkerError> {
        let Functions { memory_desc_destroy, memory_desc_create_with_strides, .. } = self.functions;
        // SAFETY: N sizes and N strides, which the library copies.
        let owned = self.make(memory_desc_destroy, |place| unsafe {
            memory_desc_create_with_strides(place, N as c_int, sizes.as_ptr(), number as c_int, strides.as_ptr())
        })?;
        Ok(Layout(owned))
    }

    fn copy_of(&self, layout: Object) -> Result<Layout, WorkerError> {
        let Functions { memory_desc_destroy, memory_desc_clone, .. } = self.functions;
        // SAFETY: a layout that lives.
        self.make(memory_desc_destroy, |place| unsafe { memory_desc_clone(place, layout) }).map(Layout)
    }

    /// Memory of this layout: at `place`, or from the library.
    fn memory(&self, layout: &Layout, place: *mut c_void) -> Result<Memory, WorkerError> {
        let Functions { memory_destroy, memory_create, .. } = self.functions;
        let layout = self.copy_of(layout.0.object)?;
        // SAFETY: layout and engine live.
        let owned =
            self.make(memory_destroy, |memory| unsafe { memory_create(memory, layout.0.object, self.engine, place) })?;
        Ok(Memory { owned, layout })
    }

    /// Memory of this layout without a place: that of results, which each run is given.
    pub(super) fn results(&self, layout: &Layout) -> Result<Memory, WorkerError> {
        self.memory(layout, null_mut())
    }

    /// Memory of this layout, which must be one with strides, with these elements from its first one on.
    ///
    /// # Errors
    /// If they are fewer bytes than the layout spans, or memory cannot be allocated.
    pub(super) fn filled<T: Copy>(&self, layout: &Layout, elements: &[T]) -> Result<Memory, WorkerError> {
        let memory = self.memory(layout, ALLOCATE)?;
        let mut place = null_mut();
        // SAFETY: the memory lives; the library allocated as many bytes as it says.
        let bytes = unsafe {
            succeed((self.functions.memory_get_data_handle)(memory.owned.object, &mut place))?;
            let size = (self.functions.memory_desc_get_size)(memory.layout.0.object);
            &mut *slice_from_raw_parts_mut(place.cast::<u8>(), size)
        };
        if bytes.len() > size_of_val(elements) {
            return Err(WorkerError::Size { found: bytes.len() });
        }
        // SAFETY: numbers without padding, as many bytes as were checked; both live and do not overlap.
        unsafe { bytes.as_mut_ptr().copy_from_nonoverlapping(elements.as_ptr().cast(), bytes.len()) };
        Ok(memory)
    }

    /// The same matrix in another layout and in other numbers.
    pub(super) fn reordered(&self, from: &Memory, layout: &Layout) -> Result<Memory, WorkerError> {
        let Functions { primitive_desc_destroy, reorder_primitive_desc_create, .. } = self.functions;
        let to = self.memory(layout, ALLOCATE)?;
        let (source, destination) = (from.layout.0.object, to.layout.0.object);
        // SAFETY: layouts and engine live.
        let description = self.make(primitive_desc_destroy, |place| unsafe {
            reorder_primitive_desc_create(place, source, self.engine, destination, self.engine, null_mut())
        })?;
        let primitive = self.primitive(&description)?;
        let argument = |role: Role, memory: &Memory| Argument { role: role as c_int, memory: memory.owned.object };
        self.execute(&primitive, &[argument(Role::Source, from), argument(Role::Destination, &to)], 1)?;
        Ok(to)
    }

    /// Chooses how a product is computed.
    pub(super) fn plan(&self, description: &Description<'_>) -> Result<Plan, WorkerError> {
        let Functions { primitive_attr_create, primitive_attr_destroy, primitive_attr_set_scales_mask, .. } =
            self.functions;
        let Functions { primitive_desc_destroy, matmul_primitive_desc_create, .. } = self.functions;
        let &Description { source, weights, bias, destination, has_scales } = description;
        // SAFETY: a place for what is made.
        let attributes = self.make(primitive_attr_destroy, |place| unsafe { primitive_attr_create(place) })?;
        if has_scales {
            const OF_ALL: c_int = 0;
            const OF_COLUMNS: c_int = 1 << 1;
            for (role, mask) in [(Role::Source, OF_ALL), (Role::Weights, OF_COLUMNS)] {
                // SAFETY: the attributes live.
                succeed(unsafe { primitive_attr_set_scales_mask(attributes.object, role as c_int, mask) })?;
            }
        }
        let bias = bias.map_or(null_mut(), |bias| bias.0.object);
        let (source, weights, destination) = (source.0.object, weights.0.object, destination.0.object);
        // SAFETY: engine, layouts and attributes live.
        let description = self.make(primitive_desc_destroy, |place| unsafe {
            let engine = self.engine;
            matmul_primitive_desc_create(place, engine, source, weights, bias, destination, attributes.object)
        })?;
        // SAFETY: the description lives; what it returns lives as long.
        let weights = unsafe { (self.functions.primitive_desc_query_md)(description.object, QUERY_WEIGHTS, 0) };
        Ok(Plan { weights: self.copy_of(weights)?, description })
    }

    /// The product of these operands.
    pub(super) fn matmul(&self, plan: &Plan, arguments: Vec<(Role, Memory)>) -> Result<Matmul, WorkerError> {
        let primitive = self.primitive(&plan.description)?;
        Ok(Matmul { primitive, arguments, implementation: self.implementation(plan) })
    }

    /// What the library calls the way in which it computes.
    fn implementation(&self, plan: &Plan) -> String {
        let mut text: *const c_char = null_mut();
        // SAFETY: a place for a pointer to a text that lives as long as the description.
        unsafe {
            let place = (&raw mut text).cast();
            let status = (self.functions.primitive_desc_query)(plan.description.object, QUERY_IMPLEMENTATION, 0, place);
            if status != 0 || text.is_null() {
                return String::new();
            }
            CStr::from_ptr(text).to_string_lossy().into_owned()
        }
    }

    fn primitive(&self, description: &Owned) -> Result<Owned, WorkerError> {
        let Functions { primitive_create, primitive_destroy, .. } = self.functions;
        // SAFETY: the description lives.
        self.make(primitive_destroy, |place| unsafe { primitive_create(place, description.object) })
    }

    /// Computes a product several times, its results from the first element of `destination` on.
    ///
    /// # Errors
    /// If `destination` is shorter than the layout of the results, or the library refuses.
    pub(super) fn repeat(&self, matmul: &Matmul, destination: &mut [f32], times: usize) -> Result<(), WorkerError> {
        let Functions { memory_desc_get_size, memory_set_data_handle, .. } = self.functions;
        let mut arguments = Vec::with_capacity(matmul.arguments.len());
        for (role, memory) in &matmul.arguments {
            let object = memory.owned.object;
            if *role == Role::Destination {
                // SAFETY: the layout lives.
                let bytes = unsafe { memory_desc_get_size(memory.layout.0.object) };
                if bytes > size_of_val(destination) {
                    return Err(WorkerError::Size { found: bytes });
                }
                // SAFETY: the memory lives; the place has room for it, as was checked, and is borrowed for all runs below.
                succeed(unsafe { memory_set_data_handle(object, destination.as_mut_ptr().cast()) })?;
            }
            arguments.push(Argument { role: *role as c_int, memory: object });
        }
        self.execute(&matmul.primitive, &arguments, times)
    }

    /// Runs a primitive with memory of the layouts that it was made for.
    fn execute(&self, primitive: &Owned, arguments: &[Argument], times: usize) -> Result<(), WorkerError> {
        let count = c_int::try_from(arguments.len()).map_err(|_| WorkerError::Size { found: arguments.len() })?;
        // SAFETY: all objects live, and the arguments are as many as is said.
        unsafe {
            for _ in 0..times {
                succeed((self.functions.primitive_execute)(primitive.object, self.stream, count, arguments.as_ptr()))?;
            }
            succeed((self.functions.stream_wait)(self.stream))
        }
    }
}

impl Memory {
    /// How it lies.
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }
}

impl Plan {
    /// How the weights must lie.
    pub(super) fn weights(&self) -> &Layout {
        &self.weights
    }
}

impl Matmul {
    /// What the library calls the way in which it computes.
    pub(super) fn implementation(&self) -> &str {
        &self.implementation
    }
}
