//! The tokens file: who may come in, in which role, and whose data they see.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ledger_core::commit::Hash;
use ledger_core::ids::{Actor, ActorId, CustomerId, IdError, ResellerId, Role};
use serde::{Deserialize, Serialize};

use crate::auth::{Principal, Scope};

/// Name of the file in the data folder.
pub const FILE: &str = "tokens.toml";

/// Shortest token accepted, in characters: anything shorter can be guessed.
const TOKEN_CHARS_MIN: usize = 32;

const HEAD: &str = "\
# Who may use this ledger. Keep this file secret: whoever can read it can do everything below.
# An entry is a name (recorded with every command), a role and a token. Roles: operator, billing,
# support, reseller-admin (with reseller = ...), customer-admin and customer-viewer (with
# customer = ...). The ledger reads this file when it starts.

";

/// Whose example tokens a new demo folder gets.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemoScope {
    /// Reseller of the reseller admin.
    pub reseller: ResellerId,
    /// Customer of the customer admin and the customer viewer.
    pub customer: CustomerId,
}

/// Why the tokens file cannot be used. It is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The file cannot be read or written.
    #[error("{path} cannot be {action}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried, in the past participle.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// Others could read the tokens.
    #[error("{path} can be read by others (mode {mode:03o}): run chmod 600 {path}")]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file is not TOML of the form expected.
    #[error("{path} cannot be understood: {message}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, without the text of the file.
        message: String,
    },
    /// An entry contradicts itself.
    #[error("{path}: entry {name:?}: {problem}")]
    Entry {
        /// The file.
        path: PathBuf,
        /// The entry's name.
        name: String,
        /// What is wrong with it.
        problem: EntryProblem,
    },
    /// The system gives no random numbers.
    #[error("no random token can be made: {0}")]
    Random(getrandom::Error),
}

/// What is wrong with an entry of the tokens file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryProblem {
    /// The name is not an id.
    #[error("the name is not valid: {0}")]
    Name(IdError),
    /// The role does not exist.
    #[error(
        "role {0:?} does not exist; roles are operator, billing, support, reseller-admin, \
         customer-admin and customer-viewer"
    )]
    Role(String),
    /// The scheduler is part of the ledger.
    #[error("role scheduler belongs to the ledger itself and cannot have a token")]
    Scheduler,
    /// The role needs to say whose data it sees.
    #[error("role {0} needs {1} = \"...\"")]
    ScopeMissing(&'static str, &'static str),
    /// The role sees something else.
    #[error("role {0} takes no {1}")]
    ScopeExtra(&'static str, &'static str),
    /// The token can be guessed.
    #[error("the token has fewer than {TOKEN_CHARS_MIN} characters")]
    TokenShort,
    /// The token cannot be sent in a header.
    #[error("the token has a character that is not visible ASCII")]
    TokenForbidden,
    /// Two entries have one token.
    #[error("its token is that of another entry")]
    TokenTwice,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    role: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reseller: Option<ResellerId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer: Option<CustomerId>,
    token: String,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Everyone who may come in. Tokens are kept as hashes only.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    entries: Vec<(Hash, Principal)>,
}

impl Tokens {
    /// Reads the tokens file of the data folder `root`; a new folder gets one with a random token
    /// for each role that sees everything, and with `demo` for the others, too.
    ///
    /// # Errors
    ///
    /// [`TokensError`] when the file cannot be used.
    pub fn open_or_create(root: &Path, demo: Option<&DemoScope>) -> Result<Self, TokensError> {
        let path = root.join(FILE);
        if !path.try_exists().map_err(failed(&path, "read"))? {
            create(&path, demo)?;
        }
        let mode = fs::metadata(&path).map_err(failed(&path, "read"))?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(TokensError::Readable { path, mode });
        }
        let text = fs::read_to_string(&path).map_err(failed(&path, "read"))?;
        let file: File = toml::from_str(&text).map_err(|err: toml::de::Error| {
            let message = err.message().to_owned();
            TokensError::Malformed { path: path.clone(), message }
        })?;
        Self::of(file).map_err(|(name, problem)| TokensError::Entry { path, name, problem })
    }

    fn of(file: File) -> Result<Self, (String, EntryProblem)> {
        let mut tokens = Self::default();
        for entry in file.token {
            let name = entry.name.clone();
            tokens.add(entry).map_err(|problem| (name, problem))?;
        }
        Ok(tokens)
    }

    fn add(&mut self, entry: Entry) -> Result<(), EntryProblem> {
        if entry.token.chars().count() < TOKEN_CHARS_MIN {
            return Err(EntryProblem::TokenShort);
        }
        if !entry.token.chars().all(|c| c.is_ascii_graphic()) {
            return Err(EntryProblem::TokenForbidden);
        }
        let hash = Hash::of(entry.token.as_bytes());
        if self.entries.iter().any(|(known, _)| *known == hash) {
            return Err(EntryProblem::TokenTwice);
        }
        let id = ActorId::try_new(entry.name).map_err(EntryProblem::Name)?;
        let (role, scope) = role_and_scope(&entry.role, entry.reseller, entry.customer)?;
        self.entries.push((hash, Principal { actor: Actor { id, role }, scope }));
        Ok(())
    }

    /// Whoever has this token. Takes the same time for every token.
    #[must_use]
    pub fn find(&self, token: &str) -> Option<&Principal> {
        let hash = Hash::of(token.as_bytes());
        self.entries.iter().fold(
            None,
            |found, (known, principal)| {
                if is_same(known, &hash) { Some(principal) } else { found }
            },
        )
    }
}

/// Compares without stopping at the first difference. Both are hashes, so no caller chooses them.
fn is_same(a: &Hash, b: &Hash) -> bool {
    let pairs = a.as_bytes().iter().zip(b.as_bytes());
    std::hint::black_box(pairs.fold(0, |different, (a, b)| different | (a ^ b))) == 0
}

fn role_and_scope(
    role: &str,
    reseller: Option<ResellerId>,
    customer: Option<CustomerId>,
) -> Result<(Role, Scope), EntryProblem> {
    let (role, name) = match role {
        "operator" => (Role::Operator, "operator"),
        "billing" => (Role::Billing, "billing"),
        "support" => (Role::Support, "support"),
        "reseller-admin" => (Role::ResellerAdmin, "reseller-admin"),
        "customer-admin" => (Role::CustomerAdmin, "customer-admin"),
        "customer-viewer" => (Role::CustomerViewer, "customer-viewer"),
        "scheduler" => return Err(EntryProblem::Scheduler),
        other => return Err(EntryProblem::Role(other.to_owned())),
    };
    match (role, reseller, customer) {
        (Role::ResellerAdmin, Some(reseller), None) => Ok((role, Scope::Reseller(reseller))),
        (Role::ResellerAdmin, None, _) => Err(EntryProblem::ScopeMissing(name, "reseller")),
        (Role::ResellerAdmin, Some(_), Some(_)) => Err(EntryProblem::ScopeExtra(name, "customer")),
        (Role::CustomerAdmin | Role::CustomerViewer, None, Some(customer)) => {
            Ok((role, Scope::Customer(customer)))
        }
        (Role::CustomerAdmin | Role::CustomerViewer, _, None) => {
            Err(EntryProblem::ScopeMissing(name, "customer"))
        }
        (_, None, None) => Ok((role, Scope::All)),
        (_, Some(_), _) => Err(EntryProblem::ScopeExtra(name, "reseller")),
        (_, None, Some(_)) => Err(EntryProblem::ScopeExtra(name, "customer")),
    }
}

fn create(path: &Path, demo: Option<&DemoScope>) -> Result<(), TokensError> {
    let mut file = File { token: Vec::new() };
    for role in ["operator", "billing", "support"] {
        file.token.push(new_entry(role, None, None)?);
    }
    if let Some(DemoScope { reseller, customer }) = demo {
        file.token.push(new_entry("reseller-admin", Some(reseller.clone()), None)?);
        file.token.push(new_entry("customer-admin", None, Some(customer.clone()))?);
        file.token.push(new_entry("customer-viewer", None, Some(customer.clone()))?);
    }
    let text = toml::to_string(&file).map_err(|err| TokensError::Malformed {
        path: path.to_owned(),
        message: err.to_string(),
    })?;
    write_secret(path, &format!("{HEAD}{text}")).map_err(failed(path, "written"))
}

/// Writes beside first: nobody ever finds half a file or one with other permissions.
fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("toml.new");
    match fs::remove_file(&beside) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

fn new_entry(
    role: &str,
    reseller: Option<ResellerId>,
    customer: Option<CustomerId>,
) -> Result<Entry, TokensError> {
    let token = random_hex().map_err(TokensError::Random)?;
    Ok(Entry { name: role.to_owned(), role: role.to_owned(), reseller, customer, token })
}

/// 32 random bytes as 64 hexadecimal digits.
///
/// # Errors
///
/// When the system gives no random numbers.
pub fn random_hex() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(Hash::from_bytes(bytes).to_string())
}

fn failed<'a>(path: &'a Path, action: &'static str) -> impl FnOnce(io::Error) -> TokensError + 'a {
    move |source| TokensError::Io { path: path.to_owned(), action, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "0123456789012345678901234567890123456789";

    fn read(text: &str) -> Result<Tokens, TokensError> {
        let dir = tempfile::tempdir().unwrap();
        write_secret(&dir.path().join(FILE), text).unwrap();
        Tokens::open_or_create(dir.path(), None)
    }

    fn problem(text: &str) -> EntryProblem {
        match read(text) {
            Err(TokensError::Entry { problem, .. }) => problem,
            other => panic!("{other:?}"),
        }
    }

    fn entry(role: &str, more: &str) -> String {
        format!("[[token]]\nname = \"n\"\nrole = \"{role}\"\ntoken = \"{LONG}\"\n{more}\n")
    }

    #[test]
    fn a_new_folder_gets_tokens_that_only_its_owner_reads() {
        let dir = tempfile::tempdir().unwrap();
        let demo = DemoScope {
            reseller: ResellerId::try_new("r").unwrap(),
            customer: CustomerId::try_new("c").unwrap(),
        };
        let tokens = Tokens::open_or_create(dir.path(), Some(&demo)).unwrap();
        assert_eq!(tokens.entries.len(), 6);
        let again = Tokens::open_or_create(dir.path(), None).unwrap();
        assert_eq!(again.entries.len(), 6, "a second start keeps them");
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_token_finds_its_owner_and_no_other() {
        let tokens = read(&entry("customer-viewer", "customer = \"acme\"")).unwrap();
        let found = tokens.find(LONG).unwrap();
        assert_eq!(found.actor.role, Role::CustomerViewer);
        assert_eq!(found.scope, Scope::Customer(CustomerId::try_new("acme").unwrap()));
        assert!(tokens.find(&LONG[1..]).is_none());
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        Tokens::open_or_create(dir.path(), None).unwrap();
        let path = dir.path().join(FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Tokens::open_or_create(dir.path(), None).unwrap_err().to_string();
        assert!(refused.contains("(mode 640): run chmod 600"), "{refused}");
    }

    #[test]
    fn entries_that_contradict_themselves_are_refused() {
        assert_eq!(problem(&entry("scheduler", "")), EntryProblem::Scheduler);
        assert_eq!(problem(&entry("king", "")), EntryProblem::Role("king".to_owned()));
        let missing = EntryProblem::ScopeMissing("reseller-admin", "reseller");
        assert_eq!(problem(&entry("reseller-admin", "")), missing);
        let extra = EntryProblem::ScopeExtra("operator", "customer");
        assert_eq!(problem(&entry("operator", "customer = \"a\"")), extra);
        let twice = entry("operator", "") + &entry("billing", "");
        assert_eq!(problem(&twice), EntryProblem::TokenTwice);
        let short = entry("operator", "").replace(LONG, "short");
        assert_eq!(problem(&short), EntryProblem::TokenShort);
    }

    #[test]
    fn an_error_never_repeats_the_file() {
        let err = read("[[token]]\nname = 3\ntoken = \"hush-hush\"").unwrap_err();
        assert!(!ledger_core::error::chain(&err).contains("hush"), "{err}");
    }
}
