//! Evidence from a running server, checked by a program that shares no code with the ledger.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::process::Command;

use ledger_tests::{Ran, Server, python, replay_tool, run};

/// The program that `docs/PROOFS.md` gives to auditors.
fn auditors_program() -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/PROOFS.md");
    let text = fs::read_to_string(docs).unwrap();
    let (_, program) = text.split_once("```python\n").unwrap();
    program.split_once("```\n").unwrap().0.to_owned()
}

#[test]
fn an_auditor_checks_a_proof_without_our_code() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data, &["--demo"]);
    let signed = server.send("POST", "/v1/checkpoints", &[], "");
    assert_eq!(signed.status, 200, "{signed:?}");
    let key = fs::read_to_string(data.join("keys/checkpoint.pub")).unwrap().trim().to_owned();
    let size: u64 = signed.text.lines().nth(1).unwrap().parse().unwrap();
    let origin = signed.text.lines().next().unwrap();
    let (program, file) = (dir.path().join("check.py"), dir.path().join("proof.json"));
    fs::write(&program, auditors_program()).unwrap();
    let check = |proof: &str, key: &str| -> Ran {
        fs::write(&file, proof).unwrap();
        run(Command::new(python()).arg(&program).arg(&file).arg(key))
    };
    let tokens = server.tokens();
    let source = ["--url", server.url(), "--tokens", tokens.to_str().unwrap()];
    for position in [1, 2, size / 2, size - 1, size] {
        let proof = replay_tool(&[&["prove", &position.to_string()], &source[..]].concat());
        assert_eq!(proof.code, Some(0), "{proof:?}");
        let checked = check(&proof.stdout, &key);
        let expected = format!("commit {position} of {size} of {origin}\n");
        assert_eq!((checked.code, checked.stdout), (Some(0), expected), "{}", checked.stderr);
        let ours = replay_tool(&["check-proof", file.to_str().unwrap(), "--key", &key]);
        assert_eq!(ours.code, Some(0), "{ours:?}");
    }
    let proof = replay_tool(&[&["prove", "2"], &source[..]].concat()).stdout;
    let moved = proof.replace("\"position\":2", "\"position\":3");
    let of_fewer = proof.replace(&format!("\"size\":{size}"), &format!("\"size\":{}", size - 1));
    let resigned = proof.replace(&format!("\\n{size}\\n"), &format!("\\n{}\\n", size + 1));
    for wrong in [moved, of_fewer, resigned] {
        assert_ne!(wrong, proof);
        assert_eq!(check(&wrong, &key).code, Some(1), "{wrong}");
    }
    let other = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert_eq!(check(&proof, other).code, Some(1));

    let missing = replay_tool(&[&["prove", "99999"], &source[..]].concat());
    assert_eq!(missing.code, Some(4), "{missing:?}");
    let kept = dir.path().join("kept");
    fs::write(&kept, &signed.text).unwrap();
    let against = ["--checkpoint", kept.to_str().unwrap(), "--key", &key];
    let verified = replay_tool(&[&["verify"], &source[..], &against].concat());
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let _ = server.stop();
    let stopped = ["--data", data.to_str().unwrap()];
    let verified = replay_tool(&[&["verify"], &stopped[..], &against].concat());
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert!(verified.stdout.contains("checkpoint: the first "), "{verified:?}");
}
