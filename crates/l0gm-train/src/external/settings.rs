//! The settings that every method has which is a program of its own.

use super::process::ExternalTool;
use super::venv::venv_python;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::Path;
use std::time::Duration;

/// How an external tool is called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExternalSettings {
    /// The program and its first arguments; if empty, the script of this repository for the tool.
    pub command: Vec<String>,
    /// Seconds after which the program is ended.
    pub time_limit: f64,
    /// Number of settings that the tool tries on the validation rows, the defaults among them.
    pub trials: usize,
    /// Settings that the tool takes instead of its defaults, by the tool's own names.
    pub params: Map<String, Value>,
}

impl Default for ExternalSettings {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            time_limit: 3600.0,
            trials: 1,
            params: Map::new(),
        }
    }
}

impl ExternalSettings {
    /// Reads the settings of method `name` and checks them.
    ///
    /// # Errors
    /// Names the setting, its value and the allowed range.
    pub fn from_value(name: &str, value: &Value) -> Result<Self> {
        let settings: Self = serde_json::from_value(value.clone())
            .map_err(|e| Error::Setting(format!("settings of method {name}: {e}")))?;
        let limit = settings.time_limit;
        if !(limit > 0.0 && limit <= 1e7) {
            return Err(Error::Setting(format!(
                "{name}.time-limit is {limit}; expected seconds, above 0 and at most 10000000"
            )));
        }
        if !(1..=10_000).contains(&settings.trials) {
            return Err(Error::Setting(format!(
                "{name}.trials is {}; expected 1 to 10000",
                settings.trials
            )));
        }
        Ok(settings)
    }

    /// The tool of method `name`. `scripts` is the folder into which the tools of this repository are installed: the
    /// script `NAME_rival.py`, and a virtual environment `venv`.
    ///
    /// # Errors
    /// No command is named, and this repository has no script for the tool.
    pub fn tool(&self, name: &str, scripts: Option<&Path>) -> Result<ExternalTool> {
        let (command, remedy) = match (self.command.is_empty(), scripts) {
            (false, _) => (self.command.clone(), String::new()),
            (true, Some(folder)) => {
                let python = venv_python(&folder.join("venv"));
                let script = folder.join(format!("{name}_rival.py"));
                let words = [python, script].map(|path| path.display().to_string());
                (
                    words.to_vec(),
                    "`methods install` installs it, for which Python 3.11 is needed".to_owned(),
                )
            }
            (true, None) => {
                return Err(Error::Setting(format!(
                    "method.{name}.command is empty; name the program and its arguments, such as [\"python3\", \"mine.py\"]"
                )));
            }
        };
        Ok(ExternalTool {
            name: name.to_owned(),
            command,
            time_limit: Duration::from_secs_f64(self.time_limit),
            limit_setting: format!("the setting method.{name}.time-limit"),
            remedy,
        })
    }
}
