//! A line as texts by name, whatever file it comes from, and the command that is made of it.

use std::collections::BTreeMap;

use chrono::Days;

use super::values::{self, Read};
use super::{Balance, Given, Line};
use crate::calendar::{TermDuration, midnight, term};
use crate::customer::{EndOfTermAction, ImportOpeningBalance, RefundableSeats};
use crate::ids::{CustomerId, OfferId, SubscriptionId};

/// What a line says.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// Fields that are known, by the name of their column.
    pub(super) fields: BTreeMap<&'static str, String>,
    /// Seats that can be removed, and until when.
    pub(super) refundable: Vec<(String, String)>,
    /// The vendor's reasons for a suspension.
    pub(super) suspension_reasons: Vec<String>,
    /// Fields that are not known.
    pub(super) unknown: BTreeMap<String, String>,
    /// What was read otherwise than it is written.
    pub(super) mended: Vec<String>,
    /// What is wrong.
    pub(super) wrong: Vec<String>,
}

impl Draft {
    pub(super) fn line(mut self, number: u64, given: &Given) -> Line {
        let told = given.customer.as_ref().map_or("", CustomerId::as_str);
        let customer = self.text("customer").unwrap_or_else(|| told.to_owned());
        let subscription = self.text("subscription").unwrap_or_default();
        let balance = self.balance(given);
        let balance = match balance {
            Some(balance) if self.wrong.is_empty() => Ok(balance),
            _ => Err(self.wrong.join("; ")),
        };
        Line { number, customer, subscription, balance, mended: self.mended, repeats: None }
    }

    /// Everything is read even when something is wrong, so that all of it is said at once.
    fn balance(&mut self, given: &Given) -> Option<Balance> {
        let customer = self.customer(given);
        let subscription = self.id("subscription", SubscriptionId::try_new);
        let offer = self.offer();
        let status = self.text("status");
        if status.is_none() {
            self.wrong.push("status is missing".to_owned());
        }
        let trial = self.optional("trial", values::yes).unwrap_or(false);
        let term = self.required("term", values::term);
        let billing = self.required("billing", values::billing);
        let quantity = self.required("quantity", values::quantity);
        let unit_price = self.optional("unit_price", values::amount);
        let term_start = self.required("term_start", values::day);
        let term_end = self.required("term_end", values::day);
        let end_of_term = self.end_of_term();
        let bought_at = self.optional("bought_at", values::from);
        let cancel_until = self.optional("cancel_until", values::until);
        let refundable = self.refundable();
        let mut command = ImportOpeningBalance {
            subscription: subscription?,
            offer: offer?,
            offer_title: self.text("offer_title"),
            status: status?,
            suspension_reasons: std::mem::take(&mut self.suspension_reasons),
            term: term?,
            billing: billing?,
            quantity: quantity?,
            unit_price,
            term_start: term_start?,
            term_end: term_end?,
            end_of_term: end_of_term?,
            bought_at,
            cancel_until,
            refundable,
            trial,
            unknown: std::mem::take(&mut self.unknown),
            effective_at: given.as_of,
        };
        self.first_term(&mut command);
        Some(Balance { customer: customer?, command })
    }

    fn text(&self, name: &str) -> Option<String> {
        let text = self.fields.get(name).map(|text| text.trim().to_owned());
        text.filter(|text| !text.is_empty())
    }

    fn optional<T>(&mut self, name: &'static str, read: fn(&str) -> Read<T>) -> Option<T> {
        let text = self.text(name)?;
        if values::is_no_date(&text) {
            self.mended.push(format!("{name}: {text} was read as none"));
            return None;
        }
        self.read(name, &text, read)
    }

    fn required<T>(&mut self, name: &'static str, read: fn(&str) -> Read<T>) -> Option<T> {
        let Some(text) = self.text(name) else {
            self.wrong.push(format!("{name} is missing"));
            return None;
        };
        self.read(name, &text, read)
    }

    fn read<T>(&mut self, name: &str, text: &str, read: fn(&str) -> Read<T>) -> Option<T> {
        match read(text) {
            Ok((value, mended)) => {
                self.mended.extend(mended.map(|mended| format!("{name}: {mended}")));
                Some(value)
            }
            Err(wrong) => {
                self.wrong.push(format!("{name}: {wrong}"));
                None
            }
        }
    }

    fn id<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(String) -> Result<T, crate::ids::IdError>,
    ) -> Option<T> {
        let Some(text) = self.text(name) else {
            self.wrong.push(format!("{name} is missing"));
            return None;
        };
        read(text).map_err(|err| self.wrong.push(format!("{name}: {err}"))).ok()
    }

    /// The customer that the line names; it must not be another than the one the file is read for.
    fn customer(&mut self, given: &Given) -> Option<CustomerId> {
        if self.text("customer").is_none()
            && let Some(customer) = &given.customer
        {
            return Some(customer.clone());
        }
        let named = self.id("customer", CustomerId::try_new)?;
        match &given.customer {
            Some(customer) if *customer != named => {
                self.wrong.push(format!("it belongs to customer {named}, not to {customer}"));
                None
            }
            Some(_) | None => Some(named),
        }
    }

    /// The offer; of the vendor's `product:sku:availability`, product and SKU.
    fn offer(&mut self) -> Option<OfferId> {
        let vendor = self.text("offer").unwrap_or_default();
        let mut parts = vendor.split(':');
        if let (Some(product), Some(sku)) = (parts.next(), parts.next()) {
            self.fields.insert("offer", format!("{product}-{sku}"));
        }
        self.id("offer", OfferId::try_new)
    }

    /// What happens at the end of the term, said directly or by the automatic renewal. When nobody says
    /// anything it is renewed, as the vendor does. Source: domain, section 1.6.
    fn end_of_term(&mut self) -> Option<EndOfTermAction> {
        let (said, renews) = (self.text("end_of_term"), self.text("auto_renew"));
        let action = self.optional("end_of_term", values::end_of_term);
        let renewal = self.optional("auto_renew", values::yes);
        match (action, renewal) {
            (Some(action), Some(renews)) if renews != (action == EndOfTermAction::Renew) => {
                self.wrong.push("end_of_term and auto_renew contradict each other".to_owned());
                None
            }
            (Some(action), _) => Some(action),
            (None, _) if said.is_some() => None,
            (None, Some(true)) => Some(EndOfTermAction::Renew),
            (None, Some(false)) => Some(EndOfTermAction::Lapse),
            (None, None) if renews.is_some() => None,
            (None, None) => {
                self.mended.push("end_of_term: nothing is said, so it is renewed".to_owned());
                Some(EndOfTermAction::Renew)
            }
        }
    }

    fn refundable(&mut self) -> Vec<RefundableSeats> {
        let mut all = Vec::new();
        for (quantity, until) in std::mem::take(&mut self.refundable) {
            let quantity = self.read("refundable", quantity.trim(), values::quantity);
            let until = self.read("refundable", until.trim(), values::until);
            if let (Some(quantity), Some(until)) = (quantity, until) {
                all.push(RefundableSeats { quantity, until });
            }
        }
        all
    }

    /// A subscription that was renewed may still name the day on which its first term began: then the
    /// term that ends on its last day is the current one.
    fn first_term(&mut self, command: &mut ImportOpeningBalance) {
        let Ok(whole) = term(command.term_start, command.term) else { return };
        let next = command.term_end.checked_add_days(Days::new(1));
        let months = chrono::Months::new(TermDuration::months(command.term));
        let Some(start) = next.and_then(|next| next.checked_sub_months(months)) else { return };
        if command.term_end <= whole.end || command.effective_at < midnight(start) {
            return;
        }
        let told = command.term_start;
        command.bought_at.get_or_insert(midnight(told));
        command.term_start = start;
        self.mended.push(format!(
            "term_start: {told} is more than one term before {}, so the current one began on {start}",
            command.term_end
        ));
    }
}
