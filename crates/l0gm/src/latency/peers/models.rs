//! The models that take turns: our compact model in this process, and programs of other projects in theirs.

use super::expected::{COMPARED, Expected};
use super::process::{Form, Peer};
use crate::predict::flags::PredictionFormat;
use crate::predict::output::Output;
use l0gm_report::latency_record::ModelTimes;
use l0gm_report::peers_record::{PeerBatch, PeerInput, PeerModel};
use l0gm_train::{Error, OnePass, PeerRun, Timing, Turn, own_turn};
use std::cell::RefCell;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Passes go through about so many rows, and as many batches at most; `serve.py` has the same numbers.
const ROWS: usize = 8192;
const BATCHES: usize = 1024;

/// A program with its ways of being called.
pub(super) struct Program {
    /// What `methods install` and its folder of files call it.
    name: &'static str,
    peer: Rc<RefCell<Peer>>,
    pub(super) version: String,
    forms: Vec<Form>,
    expected: Expected,
}

impl Program {
    pub(super) fn new(
        name: &'static str,
        peer: Peer,
        (version, forms): (String, Vec<Form>),
        expected: Expected,
    ) -> Self {
        Self {
            name,
            peer: Rc::new(RefCell::new(peer)),
            version,
            forms,
            expected,
        }
    }

    /// One model for each way.
    pub(super) fn into_models<'a>(self) -> impl Iterator<Item = Model<'a>> {
        let Self {
            name,
            peer,
            version,
            forms,
            expected,
        } = self;
        forms.into_iter().map(move |form| Model {
            done: PeerModel {
                name: form.name.clone(),
                ours: false,
                input: match form.from_file {
                    true => PeerInput::File,
                    false => PeerInput::Encoded,
                },
                call: form.call,
                version: version.clone(),
                difference: 0.0,
                batches: Vec::new(),
            },
            by: By::Program(name, peer.clone(), expected.clone()),
        })
    }
}

/// A model that takes turns.
pub(super) struct Model<'a> {
    done: PeerModel,
    by: By<'a>,
}

/// Where the timed predictions are computed.
enum By<'a> {
    /// This process, and the passes that it goes through.
    Us {
        beside: &'a PeerRun<'a>,
        passes: Vec<OnePass<'a>>,
        next: usize,
    },
    /// A program with its name, and what it must predict.
    Program(&'static str, Rc<RefCell<Peer>>, Expected),
}

impl<'a> Model<'a> {
    /// The entry of the run's own compact model in the table, for one kind of input.
    pub(super) fn ours(beside: &'a PeerRun<'a>, input: PeerInput) -> Self {
        let (name, call) = match input {
            PeerInput::Encoded => (
                "L0GM, compact",
                "this process, from category ids and positions within bins",
            ),
            PeerInput::File => (
                "L0GM, compact, from a file",
                "this process, as the command predict does: names of categories are read, and key, class and probabilities \
                 written as CSV",
            ),
        };
        Self {
            done: PeerModel {
                name: name.to_owned(),
                ours: true,
                input,
                call: call.to_owned(),
                version: format!("l0gm {}", env!("CARGO_PKG_VERSION")),
                difference: 0.0,
                batches: Vec::new(),
            },
            by: By::Us {
                beside,
                passes: Vec::new(),
                next: 0,
            },
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.done.name
    }

    /// The name of the program whose model this is; `None` for our own.
    pub(super) fn program(&self) -> Option<&'static str> {
        match self.by {
            By::Us { .. } => None,
            By::Program(name, ..) => Some(name),
        }
    }

    pub(super) fn input(&self) -> PeerInput {
        self.done.input
    }

    pub(super) fn is_ours(&self) -> bool {
        self.done.ours
    }

    /// Makes the passes at a batch size ready, and compares their probabilities. `file` holds the rows, for models that
    /// read one; `ours` is what our model must give.
    pub(super) fn prepare(
        &mut self,
        size: usize,
        file: Option<&Path>,
        ours: &Expected,
    ) -> anyhow::Result<()> {
        let difference = match &mut self.by {
            By::Us { beside, passes, .. } => {
                *passes = match file {
                    None => batches(size, beside.test_rows)
                        .map(|rows| beside.compact.pass(&rows))
                        .collect::<l0gm_train::Result<_>>()?,
                    Some(file) => vec![from_file(beside, file.to_owned())],
                };
                let first = passes[0]()?;
                let rows = 0..first.rows().min(COMPARED);
                let found: Vec<_> = rows.map(|row| first.row(row).to_vec()).collect();
                ours.check(&found, size.min(COMPARED))?
            }
            By::Program(_, peer, expected) => {
                let found = peer.borrow_mut().prepare(&self.done.name, size, file)?;
                expected.check(&found, size)?
            }
        };
        self.done.difference = self.done.difference.max(difference);
        Ok(())
    }

    /// The model's turns at the prepared batch size.
    pub(super) fn turn(&mut self) -> Turn<'_> {
        let name = &self.done.name;
        match &mut self.by {
            By::Us { passes, next, .. } => Box::new(move |turns| {
                let pass = || {
                    *next = (*next + 1) % passes.len();
                    std::hint::black_box(passes[*next]()?);
                    Ok(())
                };
                own_turn(pass, turns)
            }),
            By::Program(_, peer, _) => Box::new(move |turns| {
                let times = peer.borrow_mut().turn(name, turns);
                times.map_err(|error| Error::Task(crate::usage::one_line(&error)))
            }),
        }
    }

    /// Adds the times at a batch size.
    pub(super) fn add(&mut self, batch: usize, timing: &Timing) {
        self.done.batches.push(PeerBatch {
            batch,
            times: ModelTimes::from(timing),
        });
    }

    /// The record of the model, if anything of it was timed.
    pub(super) fn finished(self) -> Option<PeerModel> {
        (!self.done.batches.is_empty()).then_some(self.done)
    }
}

/// The test rows of each batch: the split from its beginning, repeated where it is too short.
fn batches(size: usize, rows: usize) -> impl Iterator<Item = Vec<u32>> {
    let count = (ROWS / size).clamp(1, BATCHES);
    (0..count).map(move |at| {
        let rows = (at * size..(at + 1) * size).map(|row| (row % rows) as u32);
        rows.collect()
    })
}

/// A pass over a file of raw cells, which writes its predictions beside it. Returns the first chunk's probabilities.
fn from_file<'a>(beside: &'a PeerRun<'a>, file: PathBuf) -> OnePass<'a> {
    let out = file.with_extension("l0gm.csv");
    Box::new(move || {
        let failed = |error: anyhow::Error| Error::Task(crate::usage::one_line(&error));
        let mut rows = beside.compact.open(&file)?;
        let to = std::fs::File::create(&out).map_err(|error| failed(error.into()))?;
        let header = rows.header().clone();
        let mut output = Output::new(BufWriter::new(to), PredictionFormat::Csv, header, &[]);
        let mut first = None;
        while let Some(chunk) = rows.next_rows()? {
            output.write(&chunk).map_err(failed)?;
            first.get_or_insert(chunk.probabilities);
        }
        output.finish().map_err(failed)?;
        first.ok_or_else(|| Error::Task(format!("{}: no rows", file.display())))
    })
}
