//! A model file that the runtime on the device reads itself, with the values of its inputs.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use nasprof_base::text::hex;
use nasprof_devices::{DeviceFile, FileKind, Link, Transport, Upload};
use nasprof_onnx::{ModelNames, read_names};
use nasprof_profiler::protocol::ModelRequest;
use sha2::{Digest as _, Sha256};

use crate::cli::{ContextArgs, ShapeArgs};
use crate::failure::Failure;
use crate::resolve::{self, Target};

/// A model and what its inputs are to be.
pub(super) struct ModelFile {
    /// Absolute.
    model: PathBuf,
    values: Option<PathBuf>,
    shapes: BTreeMap<String, Vec<u64>>,
}

impl ModelFile {
    /// The files are opened on the device: what is not there is said before it is reached.
    pub(super) fn find(model: &Path, shapes: &ShapeArgs, values: Option<&Path>) -> Result<Self, Failure> {
        let sizes = |shape: Vec<usize>| shape.into_iter().map(|size| size as u64).collect();
        Ok(Self {
            model: absolute(model).map_err(|f| f.context(format!("--model {}", model.display())))?,
            values: values
                .map(|path| absolute(path).map_err(|f| f.context(format!("--input {}", path.display()))))
                .transpose()?,
            shapes: resolve::input_shapes(shapes)?.into_iter().map(|(name, shape)| (name, sizes(shape))).collect(),
        })
    }

    /// What has to be brought to the device: nothing, where it has this machine's files.
    pub(super) fn uploads(&self, device: &DeviceFile) -> Result<Vec<Upload>, Failure> {
        if device.transport != Transport::Ssh {
            return Ok(Vec::new());
        }
        let in_context = |failure: Failure| failure.context(format!("--model {}", self.model.display()));
        let bytes = resolve::model_file(&self.model).map_err(in_context)?;
        stands_alone(&read_names(&bytes).map_err(|e| in_context(Failure::usage(e)))?).map_err(in_context)?;
        let mut uploads = vec![Upload { kind: FileKind::Model, bytes }];
        if let Some(values) = &self.values {
            let bytes = resolve::model_file(values).map_err(|f| f.context(format!("--input {}", values.display())))?;
            uploads.push(Upload { kind: FileKind::Values, bytes });
        }
        Ok(uploads)
    }

    /// How the device is asked to open it, once its files are there.
    pub(super) fn request(&self, link: &Link) -> Result<ModelRequest, Failure> {
        let shapes = self.shapes.clone();
        if let [model, values @ ..] = link.uploaded() {
            return Ok(ModelRequest { workload: 0, path: model.clone(), shapes, values: values.first().cloned() });
        }
        let text = |path: &Path| {
            let text = path.to_str().map(str::to_owned);
            text.ok_or_else(|| Failure::usage(format!("{}: is not UTF-8", path.display())))
        };
        let values = self.values.as_deref().map(text).transpose()?;
        Ok(ModelRequest { workload: 0, path: text(&self.model)?, shapes, values })
    }

    /// A name that only this model with these inputs has.
    pub(super) fn identity(&self) -> Result<String, Failure> {
        let mut all = Sha256::new();
        for path in [Some(&self.model), self.values.as_ref()].into_iter().flatten() {
            let in_context = |e: std::io::Error| Failure::usage(format!("{}: {e}", path.display()));
            let mut file = Sha256::new();
            std::io::copy(&mut File::open(path).map_err(in_context)?, &mut file).map_err(in_context)?;
            all.update(file.finalize());
        }
        all.update(format!("{:?}", self.shapes));
        Ok(format!("{} {}", resolve::last_part(&self.model), hex(&all.finalize()[..16])))
    }
}

/// Refuses what a model that a runtime reads has by itself.
pub(super) fn check_target(target: &Target, context: &ContextArgs) -> Result<(), Failure> {
    if !target.precision.is_usual() {
        let name = target.precision.name();
        return Err(Failure::usage(format!("--precision {name} with --model: the model itself sets the precision"))
            .hint(format!("`nasprof export --precision {name}` writes such a model of a space's network")));
    }
    if let Some(batch) = context.batch {
        return Err(Failure::usage(format!("--batch {batch} with --model: the model's inputs set the batch size"))
            .hint("set dynamic sizes with --input-shape NAME=SIZES"));
    }
    Ok(())
}

/// Refuses a model that is more than one file where one file is copied to the device.
pub(super) fn stands_alone(names: &ModelNames) -> Result<(), Failure> {
    if names.is_external {
        let problem = "its weights are in other files, but only one file is copied to the device";
        let hint = "python3 -c \"import onnx; onnx.save(onnx.load('IN.onnx'), 'OUT.onnx')\" puts all into one";
        return Err(Failure::usage(problem).hint(hint));
    }
    Ok(())
}

/// The absolute path of a file that is there.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let found = path.canonicalize().map_err(Failure::usage)?;
    if found.is_file() { Ok(found) } else { Err(Failure::usage("is not a file")) }
}
