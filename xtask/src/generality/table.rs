//! The table as a page of Markdown.

use super::demands::{DEMANDS, Verdict};
use super::figures::{Figures, Row, mean_ranks};
use super::markdown::{bullets, padded, sentence, wrapped};
use super::members::Size;
use super::suite::{Block, LAMBDA, LeftOut, TARGET};
use l0gm_report::format::{count, decimals, fraction, list, percent};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Everything that the table shows.
pub(super) struct Table<'a> {
    /// Blocks with their figures; `None` where no run is finished.
    pub(super) blocks: Vec<(&'a Block, Option<Figures>)>,
    /// Names of the blocks whose figures come from an earlier table.
    pub(super) carried: Vec<String>,
    pub(super) left_out: &'a [LeftOut],
    pub(super) seeds: &'a [u64],
    /// Number of planned runs and of those that are finished.
    pub(super) runs: [usize; 2],
    /// Ids of runs that failed and were not made good.
    pub(super) failed: Vec<String>,
}

impl Table<'_> {
    /// The blocks with figures.
    pub(super) fn measured(&self) -> impl Iterator<Item = (&Block, &Figures)> {
        let blocks = self.blocks.iter();
        blocks.filter_map(|(block, figures)| Some((*block, figures.as_ref()?)))
    }

    /// The whole page.
    pub(super) fn markdown(&self) -> String {
        let mut parts = vec![
            "# Do the defaults hold on data that nobody tuned them to?".to_owned(),
            self.lead(),
            "## The demands".to_owned(),
            self.legend(),
            self.demands(),
            self.counts(),
        ];
        if !self.left_out.is_empty() {
            parts.push("## Not run".to_owned());
            parts.push(bullets(self.left_out.iter().map(LeftOut::line)));
        }
        parts.push("## Mean rank by NLL".to_owned());
        parts.push(self.ranks());
        parts.push("## Every member and size".to_owned());
        parts.push(wrapped(
            "Methods have the names that `--method` takes; (2/3) says that only two of three seeds are finished, and such a \
             mean is not ranked. NLL in nats with its standard deviation over seeds. AUC is macro one-vs-rest where there are more than two \
             classes. ECE (15 bins, top label) stands beside what it reads if such predictions are perfectly calibrated: \
             below that it is noise. Active is the share of the interface that stays open. Seconds are those of training. \
             Warnings are counted over all seeds. Test rows are read once, after selection; nothing is chosen on them.",
            "",
        ));
        for (block, figures) in &self.blocks {
            parts.push(format!("### {}", heading(block, figures.as_ref())));
            if !block.member.note.is_empty() {
                parts.push(wrapped(&format!("{}.", sentence(block.member.note)), ""));
            }
            parts.push(match figures {
                Some(figures) => self.block(figures),
                None => "No run is finished.".to_owned(),
            });
        }
        parts.join("\n\n") + "\n"
    }

    fn lead(&self) -> String {
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        let mut text = format!(
            "Made by `cargo xtask generality` from run records: every baseline, dense and L0GM at a target of {}, all \
             with the profile `general`; for demand G also L0GM at lambda {LAMBDA}. {} {}. {} of {} runs are {}.",
            percent(TARGET),
            match seeds.len() {
                1 => "One seed,",
                _ => "Means over the seeds",
            },
            list(&seeds),
            self.runs[1],
            self.runs[0],
            match self.carried.is_empty() {
                true => "finished",
                false => "finished and at hand",
            },
        );
        let machines: BTreeSet<&String> = self
            .measured()
            .flat_map(|(_, figures)| &figures.machines)
            .collect();
        if !machines.is_empty() {
            let machines: Vec<String> = machines.into_iter().cloned().collect();
            // Writing to a string cannot fail.
            let _ = write!(text, " Made on: {}.", machines.join("; "));
        }
        let mut text = wrapped(&text, "");
        if !self.carried.is_empty() {
            let carried = format!(
                "Carried over from an earlier table, because their runs are not at hand (they were made with the defaults of \
                 that time): {}.",
                self.carried.join("; ")
            );
            text += &format!("\n\n{}", wrapped(&carried, ""));
        }
        if !self.failed.is_empty() {
            let failed: Vec<String> = self.failed.iter().map(|id| format!("`{id}`")).collect();
            text += &format!("\n\nFailed:\n\n{}", bullets(failed.into_iter()));
        }
        text
    }

    fn legend(&self) -> String {
        let lines = DEMANDS
            .iter()
            .map(|demand| format!("**{}**: {}", demand.letter, demand.text));
        bullets(lines) + "\n\nA figure in **bold** misses its demand."
    }

    /// Every demand on every block: a row a block, a column a demand.
    fn demands(&self) -> String {
        let mut header = vec!["member".to_owned(), "training rows".to_owned()];
        header.extend(DEMANDS.iter().map(|demand| demand.letter.to_string()));
        let mut rows = vec![header];
        for (block, figures) in self.measured() {
            let mut row = vec![block.member.name.to_owned(), count(figures.parts[0] as u64)];
            row.extend(
                DEMANDS
                    .iter()
                    .map(|demand| match demand.of(figures, block.member.kind) {
                        None => "–".to_owned(),
                        Some(Verdict { shown, holds: true }) => shown,
                        Some(Verdict {
                            shown,
                            holds: false,
                        }) => format!("**{shown}**"),
                    }),
            );
            rows.push(row);
        }
        padded(&rows, 1)
    }

    /// In how many blocks each demand holds, and where it does not.
    fn counts(&self) -> String {
        let lines = DEMANDS.iter().map(|demand| {
            let (mut judged, mut missed) = (0, Vec::new());
            for (block, figures) in self.measured() {
                let Some(verdict) = demand.of(figures, block.member.kind) else {
                    continue;
                };
                judged += 1;
                if !verdict.holds {
                    missed.push(format!("{} ({})", block.name(), verdict.shown));
                }
            }
            let not_in = match missed.is_empty() {
                true => String::new(),
                false => format!("; not in {}", missed.join("; ")),
            };
            match judged {
                0 => format!("**{}** could not be judged yet.", demand.letter),
                _ => format!(
                    "**{}** holds in {} of {judged} blocks{not_in}.",
                    demand.letter,
                    judged - missed.len()
                ),
            }
        });
        bullets(lines)
    }

    fn ranks(&self) -> String {
        let mut rows = vec![
            ["modality", "method", "mean rank", "blocks"]
                .map(str::to_owned)
                .to_vec(),
        ];
        let blocks = self.measured();
        let means =
            mean_ranks(blocks.map(|(block, figures)| (block.member.kind.modality(), figures)));
        for (modality, name, rank, blocks) in means {
            rows.push(vec![
                modality.to_owned(),
                name,
                decimals(rank, 2),
                blocks.to_string(),
            ]);
        }
        padded(&rows, 2)
    }

    fn block(&self, figures: &Figures) -> String {
        let header = [
            "method",
            "NLL",
            "AUC",
            "ECE (noise)",
            "accuracy",
            "active",
            "seconds",
            "rank",
            "warned",
        ];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        rows.extend(figures.rows.iter().map(|row| self.row(row)));
        padded(&rows, 1)
    }

    fn row(&self, row: &Row) -> Vec<String> {
        let shown =
            |value: Option<f64>, format: fn(f64) -> String| value.map_or("–".to_owned(), format);
        let seeds = match row.seeds {
            n if n == self.seeds.len() => String::new(),
            n => format!(" ({n}/{})", self.seeds.len()),
        };
        vec![
            format!("{}{seeds}", row.method.name),
            match row.nll.std {
                Some(std) => format!("{} ± {}", fraction(row.nll.mean), fraction(std)),
                None => fraction(row.nll.mean),
            },
            shown(row.auc, fraction),
            format!("{} ({})", fraction(row.ece), fraction(row.ece_noise)),
            fraction(row.accuracy),
            shown(row.active, percent),
            decimals(row.seconds, 1),
            row.rank.map_or("–".to_owned(), |rank| rank.to_string()),
            row.warnings.to_string(),
        ]
    }
}

/// "telescope at 500 training rows (1,522 validate, 3,804 test)".
fn heading(block: &Block, figures: Option<&Figures>) -> String {
    let name = block.member.name;
    let Some(figures) = figures else {
        return block.name();
    };
    let [train, valid, test] = figures.parts.map(|rows| count(rows as u64));
    let all = match block.size {
        Size::All => "all ",
        Size::Rows(_) => "",
    };
    format!("{name}, {all}{train} training rows ({valid} validate, {test} test)")
}
