//! Clients: what they want, and how they send it again until they have an answer.

use chrono::{DateTime, Utc};
use ledger_core::catalogue::Catalogue;
use ledger_core::customer::{
    Command, Customer, ImportCatalogue, RegisterCustomer, RevokeDelegatedAdmin,
};
use ledger_core::ids::{
    Actor, ActorId, CommandId, CustomerId, ProgrammeId, Reason, ResellerId, Role, StreamId,
};
use ledger_core::ledger::Request;
use ledger_core::money::Currency;
use ledger_core::store::segment::simulated::Random;

use super::model::{Model, Verdict};
use crate::drafts::{Draft, KINDS, PROGRAMMES, command, delegated_admin};

/// A number below a length, which must not be zero.
pub(crate) fn below(random: &mut Random, length: usize) -> usize {
    let length = u64::try_from(length).expect("is small");
    usize::try_from(random.below(length)).expect("is small")
}

/// One of several, of which there must be one.
pub(crate) fn pick<T: Clone>(random: &mut Random, from: &[T]) -> T {
    let index = below(random, from.len());
    from.get(index).expect("it is below the length").clone()
}

/// True once in a while.
pub(crate) fn one_in(random: &mut Random, times: u64) -> bool {
    random.below(times) == 0
}

pub(crate) struct Clients {
    all: Vec<Client>,
    customers: Vec<StreamId>,
    catalogue: Catalogue,
    /// Ledgers that the clients are shared out to.
    ledgers: usize,
    /// Counts the commands, for their ids.
    commands: usize,
}

#[derive(Default)]
struct Client {
    /// What it wants an answer to.
    wants: Option<Request>,
    /// What it wanted before.
    past: Vec<Request>,
    is_sent: bool,
}

/// Something to send.
pub(crate) struct Sending {
    pub(crate) client: usize,
    pub(crate) request: Request,
    pub(crate) is_again: bool,
}

impl Clients {
    pub(crate) fn new(random: &mut Random, catalogue: Catalogue, ledgers: usize) -> Self {
        let customer = |number| CustomerId::try_new(format!("customer-{number}"));
        let customers = (0..2 + random.below(3))
            .map(|number| StreamId::Customer(customer(number).expect("is valid")))
            .collect();
        let all = (0..3 + random.below(10)).map(|_| Client::default()).collect();
        Self { all, customers, catalogue, ledgers, commands: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn streams(&self) -> Vec<StreamId> {
        self.customers.iter().cloned().chain([StreamId::Catalogue]).collect()
    }

    /// The clients that have no answer yet.
    pub(crate) fn open(&self) -> Vec<usize> {
        let clients = self.all.iter().enumerate();
        clients.filter(|(_, client)| client.wants.is_some()).map(|(number, _)| number).collect()
    }

    /// What a client wants an answer to, asked now.
    pub(crate) fn current(&self, client: usize, now: DateTime<Utc>) -> Option<Request> {
        let wants = self.all.get(client)?.wants.clone()?;
        Some(Request { now, ..wants })
    }

    /// What one of the clients sends now, if it does not wait for those that are `busy`.
    pub(crate) fn send(
        &mut self,
        random: &mut Random,
        model: &Model,
        now: DateTime<Utc>,
        busy: &[usize],
    ) -> Option<Sending> {
        let number = below(random, self.all.len());
        // Some send a second time before the first is answered.
        if busy.contains(&number) && !one_in(random, 8) {
            return None;
        }
        if self.current(number, now).is_none() {
            let wanted = self.next(random, model, number, now);
            let client = self.all.get_mut(number)?;
            client.wants = Some(wanted);
            client.is_sent = false;
        }
        let request = self.current(number, now)?;
        let client = self.all.get_mut(number)?;
        let is_again = std::mem::replace(&mut client.is_sent, true);
        Some(Sending { client: number, request, is_again })
    }

    /// A client has learned what became of a request.
    pub(crate) fn answered(
        &mut self,
        random: &mut Random,
        number: usize,
        request: &Request,
        verdict: Verdict,
    ) {
        let Some(client) = self.all.get_mut(number) else { return };
        let is_wanted =
            client.wants.as_ref().is_some_and(|wants| wants.command_id == request.command_id);
        // Some forget at once that they were answered, and ask again.
        if verdict != Verdict::Again && is_wanted && !one_in(random, 8) {
            client.past.extend(client.wants.take());
        }
    }

    fn next(
        &mut self,
        random: &mut Random,
        model: &Model,
        number: usize,
        now: DateTime<Utc>,
    ) -> Request {
        // Two ledgers promise one outcome per command id only if it is sent to the same one.
        let is_first_ledger = number.is_multiple_of(self.ledgers);
        if is_first_ledger && model.version(&StreamId::Catalogue) == 0 && !one_in(random, 4) {
            let import = ImportCatalogue { catalogue: self.catalogue.clone() };
            let import = Command::ImportCatalogue(import);
            return request("import", StreamId::Catalogue, import, Role::Operator, now);
        }
        if one_in(random, 10) {
            let past: Vec<&Request> = match self.ledgers {
                1 => self.all.iter().flat_map(|c| c.past.iter().chain(&c.wants)).collect(),
                _ => self.all.get(number).map_or_else(Vec::new, |c| c.past.iter().collect()),
            };
            if !past.is_empty() {
                let past = pick(random, &past).clone();
                return self.again(random, model, past, now);
            }
        }
        let stream = pick(random, &self.customers);
        let Some(customer) = model.customer(&stream) else {
            return self.first(random, &stream, is_first_ledger, now);
        };
        if let (true, Some(due)) = (is_first_ledger, due(customer, now)) {
            let (id, command) = due;
            return request(&id, stream, command, Role::Scheduler, now);
        }
        self.commands += 1;
        let id = format!("c{}", self.commands);
        let command = wish(random, customer, self.commands, now);
        let role = pick(random, &[Role::CustomerAdmin, Role::ResellerAdmin, Role::Operator]);
        let mut request = request(&id, stream, command, role, now);
        if one_in(random, 8) {
            let seen = model.version(&request.stream);
            request.expected_version = Some(seen.saturating_sub(random.below(2)));
        }
        request
    }

    /// The same as before, or something else under the same id.
    fn again(
        &mut self,
        random: &mut Random,
        model: &Model,
        mut request: Request,
        now: DateTime<Utc>,
    ) -> Request {
        request.now = now;
        if one_in(random, 3) && request.actor.role != Role::Scheduler {
            match (random.below(3), model.customer(&request.stream)) {
                (0, Some(customer)) => {
                    self.commands += 1;
                    request.command = wish(random, customer, self.commands, now);
                }
                (1, _) => request.reason = Reason::try_new("another").expect("is valid"),
                _ => request.actor.id = ActorId::try_new("another").expect("is valid"),
            }
        }
        request
    }

    /// What is sent to a customer that does not exist yet.
    fn first(
        &mut self,
        random: &mut Random,
        stream: &StreamId,
        is_first_ledger: bool,
        now: DateTime<Utc>,
    ) -> Request {
        let stream = stream.clone();
        if is_first_ledger && !one_in(random, 6) {
            let programme = pick(random, &PROGRAMMES);
            let register = Command::RegisterCustomer(RegisterCustomer::new(
                "Somebody".to_owned(),
                ProgrammeId::try_new(programme).expect("is valid"),
                ResellerId::try_new("r1").expect("is valid"),
                "FR".to_owned(),
                Currency::EUR,
            ));
            self.commands += 1;
            let id = format!("register-{}", self.commands);
            return request(&id, stream, register, Role::Operator, now);
        }
        self.commands += 1;
        let id = format!("c{}", self.commands);
        let revoke = Command::RevokeDelegatedAdmin(RevokeDelegatedAdmin {});
        request(&id, stream, revoke, Role::Operator, now)
    }
}

fn request(
    id: &str,
    stream: StreamId,
    command: Command,
    role: Role,
    now: DateTime<Utc>,
) -> Request {
    Request {
        stream,
        command,
        command_id: CommandId::try_new(id).expect("is valid"),
        actor: Actor { id: ActorId::try_new("somebody").expect("is valid"), role },
        reason: Reason::try_new("simulation").expect("is valid"),
        now,
        correlation_id: None,
        causation_id: None,
        expected_version: None,
    }
}

/// What time has brought about, with an id that is the same every time.
fn due(customer: &Customer, now: DateTime<Utc>) -> Option<(String, Command)> {
    let first = ledger_core::customer::due(customer).into_iter().next()?;
    (first.at <= now).then(|| (first.command_id().to_string(), first.command))
}

/// What somebody wants of a customer: one in four wants what changes something again and again.
fn wish(random: &mut Random, customer: &Customer, number: usize, now: DateTime<Utc>) -> Command {
    if one_in(random, 4) {
        return delegated_admin(random.flip());
    }
    let mut below = |limit: u64| u16::try_from(random.below(limit)).expect("is small");
    let kind = below(u64::from(KINDS));
    let draft = Draft { kind, numbers: std::array::from_fn(|_| below(1 << 16)) };
    command(customer, &draft, number, now)
}
