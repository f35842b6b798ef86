//! The smallest tool that speaks the protocol of `docs/external.md`: it predicts how frequent each class is among the
//! training rows, whatever the row. Its argument is the path of `task.json`, behind an optional word for a mistake to
//! make, with which the tests see how each is refused.
//!
//! ```sh
//! cargo xtask run --modality tabular --method external --set 'tabular.method.external.command=["target/debug/examples/external_tool"]'
//! ```

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, UInt32Array};
use arrow::datatypes::UInt32Type;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (mistake, task) = match arguments.as_slice() {
        [task] => ("", task),
        [mistake, task] => (mistake.as_str(), task),
        _ => return Err("expected the path of task.json".into()),
    };
    match mistake {
        "crash" => return Err("the tool ran out of luck".into()),
        "hang" => std::thread::sleep(std::time::Duration::from_secs(600)),
        "silence" => return Ok(()),
        _ => {}
    }
    let path = Path::new(task);
    let folder = path.parent().ok_or("a task stands in a folder")?;
    let task: Value = serde_json::from_slice(&std::fs::read(path)?)?;
    let word = |key: &str| task[key].as_str().unwrap_or_default();
    let classes: Vec<&str> = task["classes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();

    let labels = labels(&folder.join(word("train")), word("label"))?;
    let count = |class: usize| {
        labels
            .iter()
            .filter(|label| **label as usize == class)
            .count()
    };
    // One row more for each class, so that no share is 0.
    let all = (labels.len() + classes.len()) as f64;
    let mut shares: Vec<f64> = (0..classes.len())
        .map(|k| (count(k) + 1) as f64 / all)
        .collect();
    if mistake == "sum" {
        shares[0] += 0.5;
    }

    for name in task["predict"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        let (mut rows, has_labels) = rows(&folder.join(format!("{name}.parquet")), word("label"))?;
        if has_labels != (name == "valid") {
            return Err(format!(
                "{name}: only validation rows are predicted and have their classes"
            )
            .into());
        }
        if mistake == "rows" {
            rows -= 1;
        }
        let mut numbers: Vec<u32> = (0..rows as u32).collect();
        if mistake == "order" {
            numbers.reverse();
        }
        let mut columns: Vec<(String, ArrayRef)> =
            vec![(word("row").to_owned(), Arc::new(UInt32Array::from(numbers)))];
        for (class, share) in classes.iter().zip(&shares) {
            let name = match mistake {
                "classes" => format!("p_other-{class}"),
                _ => format!("p_{class}"),
            };
            columns.push((name, Arc::new(Float64Array::from(vec![*share; rows]))));
        }
        let path = folder.join("answers").join(format!("{name}.parquet"));
        if mistake == "garbage" {
            std::fs::write(&path, "no Parquet")?;
            continue;
        }
        let batch = RecordBatch::try_from_iter(columns)?;
        let mut writer = ArrowWriter::try_new(File::create(&path)?, batch.schema(), None)?;
        writer.write(&batch)?;
        writer.close()?;
    }
    let run = match mistake {
        "run" => "another-run",
        _ => word("run"),
    };
    let answer =
        json!({ "run": run, "parameters": shares.len(), "notes": ["shares of the classes"] });
    std::fs::write(folder.join("answer.json"), answer.to_string())?;
    Ok(())
}

fn labels(path: &Path, label: &str) -> Result<Vec<u32>, Box<dyn Error>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.build()?;
    let mut labels = Vec::new();
    for batch in reader {
        let batch = batch?;
        let column = batch
            .column_by_name(label)
            .ok_or("training rows have labels")?;
        labels.extend(column.as_primitive::<UInt32Type>().values());
    }
    Ok(labels)
}

/// The number of rows of a file, and whether it has labels.
fn rows(path: &Path, label: &str) -> Result<(usize, bool), Box<dyn Error>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let has_labels = reader.schema().column_with_name(label).is_some();
    let mut rows = 0;
    for batch in reader.build()? {
        rows += batch?.column(0).len();
    }
    Ok((rows, has_labels))
}
