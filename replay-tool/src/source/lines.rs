//! What a source bills: its books, and every billed line of it.

use chrono::NaiveDate;
use ledger_core::billing::{BillError, BilledLine, Books, Charge, Meters, learn_billing};
use ledger_core::customer::Event;
use ledger_core::ids::StreamId;
use ledger_core::money::MoneyError;
use ledger_core::proof::archive::commit_at;
use ledger_core::record::Recorded;
use ledger_core::store::CommitLog;

use super::{Source, open_ledger, open_log, store};
use crate::exit::Failure;

/// What is read on the way to the lines.
#[derive(Debug)]
pub enum Read<'a> {
    /// The next commit of the log.
    Commit(&'a Recorded),
    /// The next billed line.
    Line(Box<BilledLine>),
}

impl Source {
    /// Everything that was recorded about bills.
    ///
    /// # Errors
    ///
    /// [`Failure`] when it cannot be read.
    pub async fn books(&self) -> Result<Books, Failure> {
        match self {
            Self::Folder(folder) => Ok((*open_ledger(folder).await?.books()).clone()),
            Self::Server(server) => {
                let recorded = server.history(&StreamId::Billing)?;
                let events = recorded.iter().flat_map(|recorded| {
                    let at = recorded.commit().recorded_at;
                    recorded.events.iter().map(move |event| (at, event))
                });
                let learn = |books, (at, event)| learn_billing(books, at, event);
                Ok(events.fold(Books::default(), learn))
            }
        }
    }

    /// Hands every charge of `until` or earlier to `visit`, as it is billed: in the order of the log, and
    /// then, by customer, the charge cycles that have begun since.
    ///
    /// # Errors
    ///
    /// [`Failure`] when a commit cannot be read or a charge not be billed, and whatever `visit` answers.
    pub async fn each_line(
        &self,
        until: NaiveDate,
        visit: &mut dyn FnMut(BilledLine) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.each_line_through(until, visit).await.map(|_| ())
    }

    /// The same; returns the position of the last commit that could charge something.
    ///
    /// # Errors
    ///
    /// As [`each_line`](Self::each_line).
    pub async fn each_line_through(
        &self,
        until: NaiveDate,
        visit: &mut dyn FnMut(BilledLine) -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        let books = self.books().await?;
        let mut through = 0;
        self.read_lines(&books, until, &mut |read| match read {
            Read::Line(line) => visit(*line),
            Read::Commit(recorded) => {
                let is_note = |event: &Event| matches!(event, Event::ReconciliationRecorded(_));
                if !recorded.events.iter().all(is_note) {
                    through = recorded.position;
                }
                Ok(())
            }
        })
        .await?;
        Ok(through)
    }

    /// The same as [`each_line`](Self::each_line) with `books` that were read before; shows every commit
    /// as well, before its lines.
    ///
    /// # Errors
    ///
    /// As [`each_line`](Self::each_line); [`Failure::Source`] when the books have changed meanwhile.
    pub async fn read_lines(
        &self,
        books: &Books,
        until: NaiveDate,
        visit: &mut dyn FnMut(Read<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (mut meters, mut found) = (Meters::default(), Books::default());
        let bill = |charges: Result<Vec<Charge>, MoneyError>,
                    visit: &mut dyn FnMut(Read<'_>) -> Result<(), Failure>| {
            let charges = charges.map_err(|err| Failure::Damage(err.to_string()))?;
            for charge in charges.into_iter().filter(|charge| charge.charged_on <= until) {
                let line = BilledLine::of(charge, books).map_err(unbilled)?;
                visit(Read::Line(Box::new(line)))?;
            }
            Ok::<_, Failure>(())
        };
        self.each_recorded(&mut |recorded| {
            visit(Read::Commit(&recorded))?;
            if recorded.commit().stream == StreamId::Billing {
                let at = recorded.commit().recorded_at;
                let learn = |books, event| learn_billing(books, at, event);
                found = recorded.events.iter().fold(std::mem::take(&mut found), learn);
            }
            bill(meters.add(&recorded), visit)
        })
        .await?;
        while let Some(charges) = meters.settle_next(until) {
            bill(charges, visit)?;
        }
        if found == *books {
            return Ok(());
        }
        let message =
            "bills were closed, or rates or terms changed, while they were read: run it again";
        Err(Failure::Source(message.to_owned()))
    }

    /// The day to which charge cycles have been charged, and the number of commits if it is known: the
    /// last recorded day of a stopped folder, the day on the clock of a server.
    ///
    /// # Errors
    ///
    /// [`Failure::NotFound`] when nothing was recorded; else what is wrong with the source.
    pub async fn end(&self) -> Result<(NaiveDate, Option<u64>), Failure> {
        match self {
            Self::Folder(folder) => {
                let log = open_log(&folder.log())?;
                let position = log.durable_position();
                let last = commit_at(&log, position).await.map_err(|err| store(&err))?;
                let last = last.ok_or_else(|| {
                    Failure::NotFound("nothing was recorded here: check the source".to_owned())
                })?;
                Ok((last.commit().recorded_at.date_naive(), Some(position)))
            }
            Self::Server(server) => Ok((server.today()?, server.commits())),
        }
    }
}

pub(crate) fn unbilled(err: BillError) -> Failure {
    match err {
        BillError::RateMissing { .. } => Failure::Source(err.to_string()),
        BillError::Money(_) => Failure::Damage(err.to_string()),
    }
}
