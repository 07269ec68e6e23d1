//! The built program: its flags, the environment in their place, and its exit codes.

#![expect(clippy::unwrap_used, reason = "a failure is the end of the test")]

use std::process::Command;

/// Exit code and messages of a run; nothing is there that it could work on.
fn run(args: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_projector"));
    process.env_clear().current_dir(dir.path()).args(args).envs(environment.iter().copied());
    let output = process.output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn names_are_those_of_the_server() {
    let help = run(&["--help"], &[]);
    assert_eq!(help.0, 0);
    let all = ["--nats", "nats://localhost:4222", "--nats-name", "a", "--nats-credentials", "c"];
    assert_eq!(run(&[&["--data", "gone"], &all[..]].concat(), &[]).0, 1);
    let same = [
        ("LEDGER_DATA", "gone"),
        ("LEDGER_NATS", "nats://localhost:4222"),
        ("LEDGER_NATS_NAME", "a"),
        ("LEDGER_NATS_CREDENTIALS", "c"),
    ];
    assert_eq!(run(&[], &same).0, 1);
    assert_eq!(run(&[], &[]).0, 2);
}

#[test]
fn wrong_addresses_and_names_are_wrong_arguments() {
    let refused = |flag: &str, variable: &str, value: &str, said: &str| {
        let typed = run(&["--data", "gone", flag, value], &[]);
        let set = run(&["--data", "gone"], &[(variable, value)]);
        for (code, err) in [typed, set] {
            assert_eq!(code, 2, "{flag} {value}: {err}");
            assert!(err.contains(said), "{flag} {value}: {err}");
        }
    };
    let url = |value, said| refused("--nats", "LEDGER_NATS", value, said);
    let password = "leave user and password out, and use --nats-credentials";
    url("nats://user:secret@host", password);
    url("", "the address is empty");
    url("http://host:4222", "the address of the NATS server cannot be understood: ");
    let name = |value| {
        let said = "is no name for a ledger: use letters, digits, '-', '_' and '.'";
        refused("--nats-name", "LEDGER_NATS_NAME", value, said);
    };
    name("a b");
    name("");
}
