//! What time will bring about for a customer: the commands that the scheduler is to issue, and when.

use chrono::{DateTime, SecondsFormat, Utc};

use super::command::{
    ApplyBillingFrequency, Command, Delete, Disable, EndDelegatedAdmin, EndOfTermAction, EndTrial,
    Expire, Renew,
};
use super::state::{Customer, Status, Subscription};
use crate::calendar::{midnight, renewal_due};
use crate::ids::{CommandId, SubscriptionId};

/// A command that time will bring about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// When it is due.
    pub at: DateTime<Utc>,
    /// The subscription it is about; `None`: the customer as a whole.
    pub subscription: Option<SubscriptionId>,
    /// What is to be done.
    pub command: Command,
}

impl Due {
    /// The id under which this very command is issued, whoever issues it: the same for everybody, so
    /// that it is carried out once.
    ///
    /// # Panics
    ///
    /// Never: a word, an id and an instant make an id.
    #[must_use]
    pub fn command_id(&self) -> CommandId {
        let subscription = self.subscription.as_ref().map_or("", SubscriptionId::as_str);
        let at = self.at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others are dated by the instant")]
        let when = match &self.command {
            Command::Renew(Renew { term_end, .. })
            | Command::Expire(Expire { term_end, .. })
            | Command::EndTrial(EndTrial { term_end, .. }) => term_end.to_string(),
            Command::ApplyBillingFrequency(c) => c.from.to_string(),
            _ => at,
        };
        let id = format!("{}/{subscription}/{when}", self.word());
        CommandId::try_new(id).expect("a word, an id and an instant make an id")
    }

    /// What is to be done, in one word: how the id of its command begins.
    ///
    /// # Panics
    ///
    /// Never: [`due`] makes no other commands.
    #[must_use]
    pub fn word(&self) -> &'static str {
        let name = self.command.name();
        let word = WORDS.iter().find(|(command, _)| *command == name);
        word.map(|(_, word)| *word).expect("every command that time brings about has a word")
    }
}

/// The commands that only the scheduler issues, and the words that their ids begin with.
pub const WORDS: [(&str, &str); 7] = [
    ("Renew", "renew"),
    ("Expire", "expire"),
    ("EndTrial", "end-trial"),
    ("ApplyBillingFrequency", "bill"),
    ("Disable", "disable"),
    ("Delete", "delete"),
    ("EndDelegatedAdmin", "end-delegated-admin"),
];

/// Everything that time will bring about, the first first; of two at once, by subscription.
#[must_use]
pub fn due(customer: &Customer) -> Vec<Due> {
    let subscriptions = customer.subscriptions.values();
    let mut all: Vec<Due> =
        subscriptions.flat_map(|s| due_of(s)).chain(due_of_account(customer)).collect();
    all.sort_by(|a, b| (a.at, &a.subscription).cmp(&(b.at, &b.subscription)));
    all
}

/// What time will bring about for the customer as a whole.
#[must_use]
pub fn due_of_account(customer: &Customer) -> Option<Due> {
    let at = customer.delegated_admin.as_ref()?.until?;
    let command = Command::EndDelegatedAdmin(EndDelegatedAdmin { due_at: at });
    Some(Due { at, subscription: None, command })
}

/// What time will bring about for one subscription.
#[must_use]
pub fn due_of(s: &Subscription) -> Vec<Due> {
    let subscription = || s.id.clone();
    let due = |at, command| Due { at, subscription: Some(s.id.clone()), command };
    let mut all = Vec::new();
    match s.status {
        Status::Active | Status::Suspended => {
            if let Some(next) = s.next_billing {
                let command =
                    ApplyBillingFrequency { subscription: subscription(), from: next.from };
                all.push(due(midnight(next.from), Command::ApplyBillingFrequency(command)));
            }
            if let (Status::Suspended, Some(at)) = (s.status, s.delete_at) {
                let command = Delete { subscription: subscription(), due_at: at };
                all.push(due(at, Command::Delete(command)));
            }
            if let Ok(at) = renewal_due(s.term.end) {
                all.push(due(at, end_of_term(s)));
            }
        }
        Status::Expired => all.extend(s.disable_at.map(|at| {
            let command = Disable { subscription: subscription(), due_at: at };
            due(at, Command::Disable(command))
        })),
        Status::Disabled => all.extend(s.delete_at.map(|at| {
            let command = Delete { subscription: subscription(), due_at: at };
            due(at, Command::Delete(command))
        })),
        Status::Deleted => {}
    }
    all
}

fn end_of_term(s: &Subscription) -> Command {
    let (subscription, term_end) = (s.id.clone(), s.term.end);
    if s.is_trial() {
        return Command::EndTrial(EndTrial { subscription, term_end });
    }
    match (s.status, s.end_of_term) {
        (Status::Active, EndOfTermAction::Renew) => {
            Command::Renew(Renew { subscription, term_end })
        }
        _ => Command::Expire(Expire { subscription, term_end }),
    }
}
