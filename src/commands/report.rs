//! `nasprof report`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nasprof_lut::{Lut, Measured, Validation, read, read_measured};
use nasprof_profiler::model_profile::ModelProfile;
use nasprof_render::replace_file;
use nasprof_reports::{
    SearchRun, comparison_report, lut_report, model_comparison, model_report, search_report, validation_report,
};
use nasprof_spaces::{Space, builtin_names};
use serde_json::json;

use super::lut::one_kind;
use super::{path_text, print, print_json};
use crate::cli::ReportArgs;
use crate::failure::Failure;
use crate::outputs::{Outputs, given};
use crate::resolve;

/// A validation of ten thousand networks stays below this.
const MAX_VALIDATION: u64 = 256 << 20;

pub(super) fn run(args: &ReportArgs) -> Result<ExitCode, Failure> {
    let space_file = args.space.as_deref().map(Path::new);
    let inputs = args.paths.iter().cloned().chain(given([args.lut.as_deref(), space_file]));
    Outputs::of(inputs).check("-o", &args.output, &["html", "htm"])?;
    let space = args.space.as_deref().map(resolve::space).transpose()?;
    let (kind, html) = match &args.paths[..] {
        [path] if path.is_dir() => of_run(path, space)?,
        [path] => match validation(path)? {
            Some(result) => ("validation", of_validation(args, path, &result, space)?),
            None => of_measured(path, read_measured(path)?, args)?,
        },
        paths => match several(paths)? {
            Several::Luts(luts) => {
                if let Some(space) = &space {
                    luts.iter().try_for_each(|(_, lut)| lut.check_space(&space.name, &space.graph.identity()))?;
                }
                let named = || builtin(&luts.first()?.1.context.header.space);
                ("comparison", comparison_report(&luts, space.or_else(named).as_ref()))
            }
            Several::Models(models) => {
                no_space(&paths[0], args)?;
                ("comparison", model_comparison(&models))
            }
        },
    };
    replace_file(&args.output, html.as_bytes())?;
    if args.json {
        print_json(&json!({"report": path_text(&args.output), "kind": kind, "bytes": html.len()}))?;
    } else {
        print(args.output.display().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The name of a file for readers.
fn name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}

fn of_measured(path: &Path, measured: Measured, args: &ReportArgs) -> Result<(&'static str, String), Failure> {
    match measured {
        Measured::Lut(lut) => Ok(("lut", lut_report(&lut, &name(path)))),
        Measured::Model(model) => {
            no_space(path, args)?;
            Ok(("model", model_report(&model, &name(path))))
        }
    }
}

/// Refuses a space for a profile: its kernels do not come from a space.
fn no_space(path: &Path, args: &ReportArgs) -> Result<(), Failure> {
    match &args.space {
        Some(space) => Err(Failure::usage(format!("--space {space}: {} is the profile of a model", path.display()))
            .hint("leave --space out")),
        None => Ok(()),
    }
}

/// The contents of several files, with distinct names.
enum Several {
    Luts(Vec<(String, Lut)>),
    Models(Vec<(String, ModelProfile)>),
}

fn several(paths: &[PathBuf]) -> Result<Several, Failure> {
    let (mut luts, mut models) = (Vec::new(), Vec::new());
    for path in paths {
        if path.is_dir() || validation(path)?.is_some() {
            return Err(Failure::usage(format!("{} is not a LUT", path.display())).hint(
                "only LUTs, and profiles of models, can be compared; report searches and validations one by one",
            ));
        }
        let short = name(path);
        let taken = paths.iter().filter(|p| name(p) == short).count() > 1;
        let named = if taken { path.display().to_string() } else { short };
        match read_measured(path)? {
            Measured::Lut(lut) => luts.push((named, *lut)),
            Measured::Model(model) => models.push((named, *model)),
        }
        if let (false, Some((model, _))) = (luts.is_empty(), models.first()) {
            return Err(one_kind(Path::new(model)));
        }
    }
    Ok(if models.is_empty() { Several::Luts(luts) } else { Several::Models(models) })
}

/// The file as a validation's result; `None` if it is something else.
fn validation(path: &Path) -> Result<Option<Validation>, Failure> {
    if path.extension().is_none_or(|e| e != "json") {
        return Ok(None);
    }
    let in_context = |problem: String| Failure::usage(format!("{}: {problem}", path.display()));
    let size = std::fs::metadata(path).map_err(|e| in_context(e.to_string()))?.len();
    if size > MAX_VALIDATION {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).map_err(|e| in_context(e.to_string()))?;
    // A LUT has a context, a validation has errors; anything else is refused as a LUT.
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(value) if value.get("mape").is_some() => Validation::parse(&text).map(Some).map_err(in_context),
        _ => Ok(None),
    }
}

fn of_validation(args: &ReportArgs, path: &Path, result: &Validation, space: Option<Space>) -> Result<String, Failure> {
    let lut = args.lut.as_deref().map(read).transpose()?;
    if let (Some(lut), Some(space)) = (&lut, &space) {
        lut.check_space(&space.name, &space.graph.identity())?;
    }
    Ok(validation_report(result, &name(path), lut.as_ref().zip(space.as_ref())))
}

/// The space is the one given, else the built-in one that the architecture names.
fn of_run(path: &Path, space: Option<Space>) -> Result<(&'static str, String), Failure> {
    let run = SearchRun::read(path)?;
    let named = || builtin(&run.arch.as_ref()?.space);
    let space = space.or_else(named);
    let kind = if run.is_training() { "training" } else { "search" };
    Ok((kind, search_report(&run, &name(path), space.as_ref())))
}

/// A built-in space; `None` of another name.
fn builtin(name: &str) -> Option<Space> {
    builtin_names().any(|known| known == name).then(|| Space::builtin(name).ok())?
}
