//! Event files for TensorBoard: scalars, histograms, images, texts and a graph.
//!
//! The messages are a small part of TensorFlow's schema, so they are declared in `schema.rs` and need no compiler.

mod graph_def;
mod histogram;
mod record;
mod schema;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use nasprof_graph::Graph;
use prost::Message;

use self::schema::{
    DT_STRING, Dim, Event, Image, PluginData, RGBA, Summary, SummaryMetadata, TensorProto, TensorShapeProto, Value,
};
use crate::RenderError;

/// Names tried for a new event file before giving up.
const MAX_NAMES: u32 = 1000;
/// An event file that grows. Steps are whatever the caller counts (epochs in a search); a tag such as `loss/train` puts
/// a chart into the group `loss`. Events are on disk after [`Self::flush`] or when the writer is dropped.
#[derive(Debug)]
pub struct EventWriter {
    file: BufWriter<File>,
    path: PathBuf,
}

impl EventWriter {
    /// Creates an event file in `folder`, and the folder if it does not exist. A resumed run creates another file:
    /// TensorBoard shows all files of a folder as one run.
    ///
    /// # Errors
    /// If the folder or the file cannot be created.
    pub fn create(folder: &Path) -> Result<Self, RenderError> {
        fs::create_dir_all(folder).map_err(|e| RenderError::file(folder, e))?;
        let (seconds, process) = (now() as u64, std::process::id());
        for number in 0..MAX_NAMES {
            let path = folder.join(format!("events.out.tfevents.{seconds}.nasprof.{process}.{number}"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    let mut writer = Self { file: BufWriter::new(file), path };
                    writer.event(&Event { file_version: Some("brain.Event:2".to_owned()), ..event_now() })?;
                    return Ok(writer);
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(RenderError::file(&path, e)),
            }
        }
        let exists = io::Error::new(io::ErrorKind::AlreadyExists, "every name for an event file is taken");
        Err(RenderError::file(folder, exists))
    }

    /// The event file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// One point of a curve. TensorBoard keeps 32 bits of it and shows a value that is not finite as a gap.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn scalar(&mut self, tag: &str, step: i64, value: f64) -> Result<(), RenderError> {
        self.summary(step, Value { simple_value: Some(value as f32), ..value_of(tag) })
    }

    /// The distribution of the finite `values`. The number of the others is a separate scalar, `TAG/not_finite`, so
    /// that they are visible.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn histogram(&mut self, tag: &str, step: i64, values: &[f64]) -> Result<(), RenderError> {
        let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        if finite.len() < values.len() {
            self.scalar(&format!("{tag}/not_finite"), step, (values.len() - finite.len()) as f64)?;
        }
        if finite.is_empty() {
            return Ok(());
        }
        self.summary(step, Value { histo: Some(histogram::histogram(&finite)), ..value_of(tag) })
    }

    /// A picture.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn image(&mut self, tag: &str, step: i64, png: &crate::Png) -> Result<(), RenderError> {
        let image = Image {
            height: png.height as i32,
            width: png.width as i32,
            colorspace: RGBA,
            encoded_image_string: png.bytes.clone(),
        };
        self.summary(step, Value { image: Some(image), ..value_of(tag) })
    }

    /// A text in Markdown.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn text(&mut self, tag: &str, step: i64, markdown: &str) -> Result<(), RenderError> {
        let plugin = SummaryMetadata { plugin_data: Some(PluginData { plugin_name: "text".to_owned() }) };
        let tensor = TensorProto {
            dtype: DT_STRING,
            tensor_shape: Some(TensorShapeProto { dim: vec![Dim { size: 1 }] }),
            string_val: vec![markdown.as_bytes().to_vec()],
        };
        self.summary(step, Value { tensor: Some(tensor), metadata: Some(plugin), ..value_of(tag) })
    }

    /// The run's graph; TensorBoard shows the last one of a run.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn graph(&mut self, graph: &Graph) -> Result<(), RenderError> {
        let definition = graph_def::graph_def(graph).encode_to_vec();
        self.event(&Event { graph_def: Some(definition), ..event_now() })
    }

    /// Writes all events to the file, where TensorBoard sees them.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn flush(&mut self) -> Result<(), RenderError> {
        self.file.flush().map_err(|e| RenderError::file(&self.path, e))
    }

    fn summary(&mut self, step: i64, value: Value) -> Result<(), RenderError> {
        self.event(&Event { step, summary: Some(Summary { value: vec![value] }), ..event_now() })
    }

    fn event(&mut self, event: &Event) -> Result<(), RenderError> {
        let record = record::frame(&event.encode_to_vec());
        self.file.write_all(&record).map_err(|e| RenderError::file(&self.path, e))
    }
}

/// A record without content.
fn event_now() -> Event {
    Event { wall_time: now(), ..Event::default() }
}

/// A tag without a value.
fn value_of(tag: &str) -> Value {
    Value { tag: tag.to_owned(), ..Value::default() }
}

/// Seconds since 1970; TensorBoard's axis of wall time.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}
