//! Spaces and models, by their names and files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use nasprof_graph::Identity;
use nasprof_onnx as onnx;
use nasprof_spaces::{Space, SpaceSpec, builtin_names};

use super::names::file_name;
use crate::cli::{ShapeArgs, SourceArgs};
use crate::failure::Failure;

/// Maximum bytes of a handwritten file.
const MAX_TEXT: u64 = 16 << 20;
/// Maximum bytes of an ONNX model or its weights, from their formats.
const MAX_MODEL: u64 = 2 << 30;

/// A space by its built-in name or its file.
pub(crate) fn space(name: &str) -> Result<Space, Failure> {
    let is_file = [".toml", ".json"].iter().any(|ending| name.ends_with(ending)) || name.contains('/');
    if !is_file || builtin_names().any(|known| known == name) {
        return Ok(Space::builtin(name)?);
    }
    let text = text_file(Path::new(name))
        .map_err(|f| f.context(format!("space file {name}")).hint("`nasprof space list` lists the spaces"))?;
    let stem = Path::new(name).file_stem().map_or_else(|| name.to_owned(), |s| s.to_string_lossy().into_owned());
    let in_context = |e| Failure::from(e).context(format!("space file {name}"));
    SpaceSpec::parse(&text).and_then(|spec| spec.build(&stem)).map_err(in_context)
}

/// The given space, else the built-in one that the file of `whose` names.
pub(crate) fn space_or(given: Option<&str>, named: &str, whose: &str) -> Result<Space, Failure> {
    match given {
        Some(name) => space(name),
        None if builtin_names().any(|known| known == named) => Ok(Space::builtin(named)?),
        None => Err(Failure::usage(format!("{whose} belongs to `{named}`, which is not a built-in space"))
            .hint("pass the file of the space with --space FILE.toml")),
    }
}

/// A space, or the network of a model as a space of one architecture.
pub(crate) fn source(args: &SourceArgs, shapes: &ShapeArgs) -> Result<Space, Failure> {
    match (&args.space, &args.model) {
        (Some(name), _) => space(name),
        (None, Some(path)) => model(path, shapes),
        (None, None) => Err(Failure::usage("give --space or --model")),
    }
}

/// The name of [`source`] in file names.
pub(crate) fn source_name(args: &SourceArgs) -> String {
    let model = args.model.as_ref().map(|path| path.to_string_lossy().into_owned());
    file_name(&args.space.clone().or(model).unwrap_or_default())
}

/// A model as a space of one network, at its fixed batch size, or 1 if that is dynamic.
pub(crate) fn model(path: &Path, shapes: &ShapeArgs) -> Result<Space, Failure> {
    network_of(path, shapes).map_err(|f| f.context(format!("--model {}", path.display())))
}

fn network_of(path: &Path, shapes: &ShapeArgs) -> Result<Space, Failure> {
    let graph = onnx::read_with(&model_file(path)?, &input_shapes(shapes)?)?;
    Ok(Space::new(&file_name(&path.to_string_lossy()), graph))
}

/// The given shapes, by the names of the inputs.
pub(crate) fn input_shapes(shapes: &ShapeArgs) -> Result<onnx::InputShapes, Failure> {
    let mut given = onnx::InputShapes::new();
    for (name, shape) in &shapes.input_shape {
        if given.insert(name.clone(), shape.clone()).is_some() {
            return Err(Failure::usage(format!("input `{name}` has two shapes")));
        }
    }
    Ok(given)
}

/// The bytes of a model or of weights.
pub(crate) fn model_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_MODEL + 1).read_to_end(&mut bytes)).map_err(Failure::usage)?;
    if bytes.len() as u64 > MAX_MODEL {
        return Err(Failure::usage(format!("larger than {} GiB", MAX_MODEL >> 30)));
    }
    Ok(bytes)
}

/// The text of a handwritten file, which has kilobytes. The limit keeps a device or an image given by mistake from
/// filling the memory.
pub(crate) fn text_file(path: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_TEXT + 1).read_to_end(&mut bytes));
    read.map_err(Failure::usage)?;
    if bytes.len() as u64 > MAX_TEXT {
        return Err(Failure::usage(format!("larger than {} MiB", MAX_TEXT >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| Failure::usage("not a text file"))
}

/// The space at a batch size, and the identity of its supernet before that: at batch 1, or at a model's fixed batch.
pub(crate) fn at_batch(mut space: Space, batch: usize) -> Result<(Space, Identity), Failure> {
    let identity = space.graph.identity();
    let own = space.graph.batch();
    if own.is_none() && batch != 1 {
        let problem = "the inputs differ in their first dimension, so there is no batch to change";
        return Err(Failure::usage(format!("batch {batch}: {problem}")).hint("leave --batch out"));
    }
    if own.is_some_and(|own| own != batch) {
        space.graph = space.graph.with_batch(batch).map_err(|e| Failure::usage(format!("--batch {batch}: {e}")))?;
    }
    Ok((space, identity))
}
