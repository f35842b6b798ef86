//! Whether a member's rows are at hand. The suite never uses twins: a comparison on made-up rows would say nothing.

use super::members::{Member, Source};
use l0gm::outlook::{Outlook, Standing};
use l0gm_train::Modality;
use std::path::Path;

/// Whether a member of the suite can run here, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// At hand under this name or path.
    Here(String),
    /// A run would download them.
    ToDownload {
        /// Name in the catalogue.
        dataset: String,
        address: String,
    },
    /// Not to be had; says why.
    Absent(String),
}

/// Looks without fetching anything. `outlook` must not allow twins.
///
/// # Errors
/// Something is there and damaged.
pub(super) fn look(
    member: &Member,
    modality: &dyn Modality,
    outlook: &Outlook,
) -> anyhow::Result<Presence> {
    let rows = rows_of(member, modality, outlook)?;
    let Some(encoder) = member.encoder() else {
        return Ok(rows);
    };
    if outlook.local().model(encoder)?.is_some() {
        return Ok(rows);
    }
    Ok(match (rows, outlook.weights(encoder)) {
        (Presence::Here(dataset), Some(address)) => Presence::ToDownload { dataset, address },
        (Presence::Here(_), None) => Presence::Absent(format!(
            "its encoder {encoder} is not at hand (the folder of --model-dir)"
        )),
        (other, _) => other,
    })
}

fn rows_of(
    member: &Member,
    modality: &dyn Modality,
    outlook: &Outlook,
) -> anyhow::Result<Presence> {
    let absent = || Presence::Absent(format!("its data are not at hand; {}", member.hint));
    Ok(match member.source {
        Source::File(path) => match outlook.local().own_file(Path::new(path))? {
            // A run's identity contains the path, so it is the same from whichever folder the command is typed.
            Some(found) => Presence::Here(std::path::absolute(found)?.display().to_string()),
            None => absent(),
        },
        // The modality cannot read it yet.
        Source::Catalogue(name) if !modality.datasets().iter().any(|known| known == name) => {
            Presence::Absent(member.hint.to_owned())
        }
        Source::Catalogue(name) => match outlook.of(name) {
            Standing::Here(_) => Presence::Here(name.to_owned()),
            Standing::ToDownload(address) => Presence::ToDownload {
                dataset: name.to_owned(),
                address,
            },
            Standing::Twin => absent(),
            Standing::Unknown => match outlook.local().dataset(name) {
                Err(l0gm_data::Error::File { path, message }) if path.is_file() => {
                    return Err(l0gm_data::Error::File { path, message }.into());
                }
                _ => absent(),
            },
        },
    })
}
