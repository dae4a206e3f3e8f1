//! A network in ONNX Runtime: one session for plain runs, and for each visit a session that times the kernels.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use nasprof_graph::Graph;
use nasprof_onnx::optimized::read_optimized;
use nasprof_onnx::profile::Profile;
use nasprof_onnx::{Floats, Weights, write_in};
use nasprof_profiler::protocol::Precision;
use ort::session::Session as OrtSession;

use crate::inputs::Inputs;
use crate::session::{Opening, Options};
use crate::timed::{Timed, kernel_ns};
use crate::{int8_layers, layers};

pub(crate) struct Network {
    session: OrtSession,
    inputs: Inputs,
    /// The model as optimised by the runtime.
    optimized: Vec<u8>,
    /// The index of each node's layer, by the node's name.
    layer_of: HashMap<String, usize>,
    layers: usize,
}

impl Network {
    /// Exports a graph in the expected optimised form, lets the runtime optimise it, and checks the result.
    ///
    /// # Errors
    /// If the graph cannot be exported, the runtime refuses it, or the result differs from the graph.
    pub(crate) fn build(graph: &Graph, options: &Options<'_>, folder: &Path) -> Result<Self, String> {
        let model = model(graph, "network", options)?;
        let written = folder.join("optimized.onnx");
        // Removes the file of an earlier network.
        let _ = fs::remove_file(&written);
        let session = options.open(&model, Opening::Optimize(&written))?;
        let optimized = fs::read(&written).map_err(|e| format!("{}: {e}", written.display()))?;
        let _ = fs::remove_file(&written);
        let model = read_optimized(&optimized).map_err(|e| e.to_string())?;
        let layer_of = match options.setup.precision {
            Precision::Int8 => int8_layers::match_layers(graph, &model)?,
            _ => layers::match_layers(graph, &model.nodes)?,
        };
        let inputs = Inputs::random(&session, options.setup.seed)?;
        Ok(Self { session, inputs, optimized, layer_of, layers: graph.layers().count() })
    }

    /// Like [`Network::build`], for a layer alone; does not check the optimised result.
    ///
    /// # Errors
    /// If the graph cannot be exported or the runtime refuses it.
    pub(crate) fn alone(graph: &Graph, options: &Options<'_>, folder: &Path) -> Result<(OrtSession, Inputs), String> {
        let model = model(graph, "layer", options)?;
        let written = folder.join("layer.onnx");
        let session = options.open(&model, Opening::Optimize(&written))?;
        let _ = fs::remove_file(&written);
        let inputs = Inputs::random(&session, options.setup.seed)?;
        Ok((session, inputs))
    }
}

/// A graph as a model in the requested precision.
fn model(graph: &Graph, name: &str, options: &Options<'_>) -> Result<Vec<u8>, String> {
    let floats = if options.setup.precision == Precision::Float16 { Floats::Half } else { Floats::Single };
    let weights = Weights::Random { seed: options.setup.seed };
    write_in(graph, name, &weights, &[], floats).map_err(|e| e.to_string())
}

impl Timed for Network {
    fn run(&mut self) -> Result<(), String> {
        self.inputs.run(&mut self.session)
    }

    fn profiled(&self, options: &Options<'_>, folder: &Path) -> Result<OrtSession, String> {
        options.open(&self.optimized, Opening::Profile(&folder.join("profile")))
    }

    fn run_profiled(&self, session: &mut OrtSession) -> Result<(), String> {
        self.inputs.run(session)
    }

    fn times(&self, profile: &Profile) -> Result<Vec<Vec<f64>>, String> {
        let layers = profile.nodes.iter().map(|node| {
            let layer = self.layer_of.get(&node.name).copied();
            layer.ok_or_else(|| format!("the profile has `{}` ({}), the model does not", node.name, node.operator))
        });
        let layers = layers.collect::<Result<Vec<_>, _>>()?;
        let times = kernel_ns(profile, self.layers, |node| Some(layers[node]));
        if times.iter().any(|run| run.contains(&0.0)) {
            return Err("the profile lacks a layer of the network".to_owned());
        }
        Ok(times)
    }
}
