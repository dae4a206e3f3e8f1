//! A model file in ONNX Runtime. Nothing needs to be known about its operators.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use nasprof_agent::resident::{reset_peak, status};
use nasprof_agent::timer;
use nasprof_onnx::profile::{Profile, ProfiledNode, TensorType};
use nasprof_profiler::model_kernels::partners;
use nasprof_profiler::protocol::{ModelKernel, ModelOpened, ModelRequest};
use ort::session::Session as OrtSession;
use ort::value::DynValue;

use crate::inputs::Inputs;
use crate::session::{Opening, Options};
use crate::timed::{Timed, ended, kernel_ns};

/// Values to try for integer inputs, in this order, until the model accepts one: a mask or a length is 1, an index may have
/// to be 0, a sampling rate is in the thousands.
const WHOLE: [i64; 3] = [1, 0, 16_000];

pub(crate) struct Model {
    path: PathBuf,
    session: OrtSession,
    inputs: Inputs,
    kernels: Vec<ModelKernel>,
}

impl Model {
    /// Opens a model, generates its missing inputs, and runs it.
    ///
    /// # Errors
    /// The runtime's message if it refuses the model or the inputs.
    pub(crate) fn open(
        request: &ModelRequest,
        given: &BTreeMap<String, Rc<DynValue>>,
        options: &Options<'_>,
        folder: &Path,
    ) -> Result<(Self, ModelOpened), String> {
        let path = PathBuf::from(&request.path);
        let without = status("VmRSS:");
        let reset = reset_peak();
        let start = Instant::now();
        let mut session = options.open_file(&path, Opening::Optimized)?;
        let session_ns = timer::nanoseconds(start);
        let known: Vec<&str> = session.inputs().iter().map(|input| input.name()).collect();
        if let Some(unknown) = request.shapes.keys().chain(given.keys()).find(|name| !known.contains(&name.as_str())) {
            return Err(format!("the model has no input `{unknown}`; its inputs: {}", known.join(", ")));
        }
        let (inputs, first_ns) = first_run(&mut session, request, given, options.setup.seed)?;
        let peak = status("VmHWM:").filter(|_| reset);
        let mut profiled = options.open_file(&path, Opening::OptimizeAndProfile(&folder.join("profile")))?;
        inputs.run(&mut profiled)?;
        let profile = ended(profiled)?;
        let kernels: Vec<ModelKernel> = profile.nodes.iter().map(kernel).collect();
        let opened = ModelOpened {
            workload: request.workload,
            kernels: kernels.clone(),
            inputs: inputs.describe(),
            session_ns,
            first_ns,
            peak_bytes: peak.zip(without).map(|(peak, without)| peak.saturating_sub(without)),
        };
        Ok((Self { path, session, inputs, kernels }, opened))
    }
}

/// Inputs that the model accepts, and nanoseconds of its first run. If it accepts none, the first error is returned, because
/// the first values are the likeliest.
fn first_run(
    session: &mut OrtSession,
    request: &ModelRequest,
    given: &BTreeMap<String, Rc<DynValue>>,
    seed: u64,
) -> Result<(Inputs, u64), String> {
    let mut complaint = None;
    for whole in WHOLE {
        let inputs = Inputs::of_model(session, &request.shapes, given, whole, seed)?;
        let start = Instant::now();
        match inputs.run(session) {
            Ok(()) => return Ok((inputs, timer::nanoseconds(start))),
            Err(problem) => complaint = complaint.or(Some(problem)),
        }
    }
    Err(format!("{}; values that the model takes may have to be given", complaint.unwrap_or_default()))
}

fn kernel(node: &ProfiledNode) -> ModelKernel {
    let words = |tensors: &[TensorType]| tensors.iter().map(in_words).collect();
    ModelKernel {
        name: node.name.clone(),
        operator: node.operator.clone(),
        provider: node.provider.clone(),
        inputs: words(&node.inputs),
        outputs: words(&node.outputs),
        parameter_bytes: node.parameter_bytes,
    }
}

fn in_words(tensor: &TensorType) -> String {
    let sizes: Vec<String> = tensor.shape.iter().map(u64::to_string).collect();
    format!("{} {}", tensor.element, if sizes.is_empty() { "scalar".to_owned() } else { sizes.join("x") })
}

impl Timed for Model {
    fn run(&mut self) -> Result<(), String> {
        self.inputs.run(&mut self.session)
    }

    fn profiled(&self, options: &Options<'_>, folder: &Path) -> Result<OrtSession, String> {
        options.open_file(&self.path, Opening::OptimizeAndProfile(&folder.join("profile")))
    }

    fn run_profiled(&self, session: &mut OrtSession) -> Result<(), String> {
        self.inputs.run(session)
    }

    fn times(&self, profile: &Profile) -> Result<Vec<Vec<f64>>, String> {
        // A run may lack kernels of a branch that another run took.
        let places = partners(&self.kernels, &profile.nodes.iter().map(kernel).collect::<Vec<_>>());
        Ok(kernel_ns(profile, self.kernels.len(), |node| places[node]))
    }
}
