//! Makes the data of the gate map from a study's gated points.

use super::arms;
use super::figures::{Figure, GateMap, Map, Plot};
use super::format;
use super::study::{Point, Study};

/// The gate map of the sweep and of the points with a target; `None` if no gated run recorded its gates.
pub(crate) fn figure(study: &Study<'_>) -> Option<Figure> {
    let sweep = arms::by_sparsity(study);
    let has_fields = sweep.iter().all(|p| !p.first().gate.fields.is_empty());
    let by = arms::knob_in_words(&sweep);
    let with_z: Vec<&Point<'_>> = sweep
        .iter()
        .copied()
        .filter(|p| !p.first().gate.z.is_empty())
        .collect();
    let (map, caption) = match (sweep.first(), with_z.first()) {
        (Some(first), _) if has_fields => (
            fields(&sweep),
            format!(
                "Which fields stay open: dimensions of each field that the deterministic gate leaves open, by {by}{}",
                match first.runs.len() {
                    1 => "; one seed".to_owned(),
                    n => format!("; mean over {n} seeds"),
                }
            ),
        ),
        (_, Some(first)) => (
            Map::Strips(with_z.iter().map(|p| strip(p)).collect()),
            format!(
                "Which dimensions stay open, by {by}; seed {}: another seed's dimensions mean something else",
                first.first().spec.seed
            ),
        ),
        _ => return None,
    };
    Some(Figure {
        id: format!("gate-map-{}", study.slug()),
        alt: caption.clone(),
        caption: format!("{}. {caption}", study.name()),
        plot: Plot::GateMap(GateMap {
            title: format!("{}: what the gate keeps", study.tag()),
            map,
        }),
    })
}

fn fields(sweep: &[&Point<'_>]) -> Map {
    let names = sweep.first().map(|p| &p.first().gate.fields);
    let names: Vec<String> = names.into_iter().flatten().map(|f| f.0.clone()).collect();
    let total = sweep.first().map_or(0, |p| p.first().gate.total_dims);
    Map::Fields {
        heads: sweep.iter().map(|p| p.sparsity_in_short()).collect(),
        width: total as f64 / names.len().max(1) as f64,
        rows: names
            .iter()
            .enumerate()
            .map(|(index, name)| (name.clone(), open_in(sweep, index)))
            .collect(),
    }
}

/// Number of open dimensions of a field at each lambda, as a mean over seeds.
pub(super) fn open_in(sweep: &[&Point<'_>], field: usize) -> Vec<f64> {
    let open = |p: &&Point<'_>| {
        let of_run =
            |r: &l0gm_train::RunRecord| r.gate.fields.get(field).map_or(0.0, |f| f.1 as f64);
        p.over(of_run).mean
    };
    sweep.iter().map(open).collect()
}

fn strip(point: &Point<'_>) -> (String, Vec<f32>) {
    let gate = &point.first().gate;
    (
        format!(
            "{}: {} of {} open",
            point.sparsity_in_words(),
            format::count(gate.open_dims as u64),
            format::count(gate.total_dims as u64)
        ),
        gate.z.clone(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::fixtures;
    use crate::grouping::studies;

    #[test]
    fn a_table_is_mapped_by_the_names_of_its_fields_and_a_flat_interface_by_dimension() {
        let records = fixtures::records();
        let studies = studies(&records);
        let map = |study| match figure(study).unwrap().plot {
            Plot::GateMap(plot) => plot.map,
            other => panic!("{other:?}"),
        };
        let Map::Fields { heads, rows, width } = map(&studies[0]) else {
            panic!("adult has fields");
        };
        assert_eq!((heads.len(), width), (5, 56.0));
        assert_eq!(heads[0], "λ 1e-4");
        let names: Vec<&str> = rows.iter().map(|r| r.0.as_str()).collect();
        assert_eq!(names, ["age", "workclass", "education", "hours-per-week"]);
        let runs: Vec<_> = records
            .iter()
            .filter(|r| r.spec.dataset == "adult" && r.spec.lambda == Some(1e-3))
            .collect();
        let mean = runs.iter().map(|r| r.gate.fields[1].1 as f64).sum::<f64>() / 3.0;
        assert!((rows[1].1[2] - mean).abs() < 1e-12);
        let Map::Strips(strips) = map(&studies[1]) else {
            panic!("a text's interface is flat");
        };
        assert_eq!((strips.len(), strips[0].1.len()), (5, 384));
    }
}
