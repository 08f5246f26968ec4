//! The program as a script asks it: JSON on standard output whatever becomes of it, and a completion script for every shell.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::process::{Command, Output};

use clap::ValueEnum as _;
use clap_complete::Shell;
use serde_json::Value;

fn farrier(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farrier"));
    command.args(args).env_remove("FARRIER_CONFIG").output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn what_is_wrong_with_the_configuration_is_json_where_that_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name).display().to_string()
    };
    let wrong = file("wrong.toml", "state_dri = \"/tmp\"\n[http]\nlisten = \"nowhere\"\n");
    let broken = file("broken.toml", "state_dir = \n");
    let missing = dir.path().join("missing.toml").display().to_string();
    for (config, path, hinted) in [(&wrong, "state_dri", true), (&broken, "", false), (&missing, "", true)] {
        let check = farrier(&["config", "check", "--output", "json", "--config", config]);
        assert_eq!(check.status.code(), Some(1), "{check:?}");
        let told = json(&check);
        assert_eq!(told["config"].as_str(), Some(config.as_str()));
        let problem = told["problems"].as_array().unwrap().iter().find(|one| one["path"] == path).expect("the problem");
        assert!(!problem["text"].as_str().unwrap().is_empty());
        assert_eq!(!problem["hint"].as_str().unwrap().is_empty(), hinted, "{told}");

        let serve = farrier(&["serve", "--output", "json", "--config", config]);
        assert_eq!(serve.status.code(), Some(1), "{serve:?}");
        let error = &json(&serve)["error"];
        assert_eq!((error["code"].as_str(), &error["problems"]), (Some("configuration"), &told["problems"]));
    }
    let all = json(&farrier(&["config", "check", "--output", "json", "-c", &wrong]));
    assert!(all["problems"].as_array().unwrap().len() >= 2, "every one, not the first alone: {all}");
}

#[test]
fn every_shell_has_a_completion_script() {
    for shell in Shell::value_variants() {
        let output = farrier(&["completions", &shell.to_string()]);
        assert!(output.status.success(), "{shell}: {output:?}");
        let script = String::from_utf8(output.stdout).unwrap();
        for word in ["farrier", "attest-erased", "token-file"] {
            assert!(script.contains(word), "{shell} does not know `{word}`");
        }
    }
}
