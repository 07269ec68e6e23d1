//! A ledger with a month worth an invoice, and that invoice as its vendor would write it.

#![allow(clippy::unwrap_used, dead_code, reason = "a test may panic, and not every test uses all")]

use std::fs;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use futures::executor::block_on;
use ledger_core::billing::BilledLine;
use ledger_core::folder::ClockKind;
use ledger_core::money::{Currency, Money, RoundingPolicy, prorate, share};
use ledger_core::reconcile::OurLine;
use replay_tool::cli::SourceArgs;
use replay_tool::exit::Exit;
use replay_tool::source::Source;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, catalogue, record, run};

/// The period of the invoice.
pub(crate) const PERIOD: &str = "2026-03";

/// Columns of October 2023. Source: domain, section 4.6.
pub(crate) const COLUMNS_2023: &str = "PartnerId,CustomerId,CustomerName,CustomerDomainName,\
    CustomerCountry,InvoiceNumber,MPNID,ResellerMPNID,OrderId,OrderDate,ProductId,SkuId,\
    AvailabilityId,SkuName,ProductName,ChargeType,UnitPrice,Quantity,Subtotal,TaxTotal,Total,\
    Currency,PriceAdjustmentDescription,PublisherName,PublisherId,SubscriptionDescription,\
    SubscriptionId,ChargeStartDate,ChargeEndDate,TermAndBillingCycle,EffectiveUnitPrice,UnitType,\
    AlternateId,BillableQuantity,BillingFrequency,PricingCurrency,PCToBCExchangeRate,\
    PCToBCExchangeRateDate,MeterDescription,ReservationOrderId,CreditReasonCode,\
    SubscriptionStartDate,SubscriptionEndDate,ReferenceID,ProductQualifiers,PromotionID";

/// Columns of the legacy licence file.
pub(crate) const COLUMNS_LEGACY: &str = "PartnerId,CustomerId,CustomerName,MPNID,ResellerMPNID,\
    OrderId,SubscriptionId,SyndicationPartnerSubscriptionNumber,OfferId,DurableOfferId,OfferName,\
    SubscriptionStartDate,SubscriptionEndDate,ChargeStartDate,ChargeEndDate,ChargeType,UnitPrice,\
    Quantity,Amount,TotalOtherDiscount,Subtotal,Tax,TotalForCustomer,Currency,DomainName,\
    SubscriptionName,SubscriptionDescription,BillingCycleType";

/// The columns of 2026.
pub(crate) fn columns_2026() -> String {
    let kept: Vec<&str> = COLUMNS_2023
        .split(',')
        .filter(|name| !["AlternateId", "BillingFrequency"].contains(name))
        .map(|name| if name == "ResellerMPNID" { "Tier2MpnId" } else { name })
        .collect();
    format!("{},PartnerName,PublisherDiscount,DiscountDetails,ProductCategory", kept.join(","))
}

/// A stopped ledger and a place for files.
pub(crate) struct Book {
    pub(crate) dir: TempDir,
}

const ACME: &str = "customer/acme";
const BETA: &str = "customer/beta";
const GAMMA: &str = "customer/gamma";

fn id_of(customer: &str) -> &str {
    customer.trim_start_matches("customer/")
}

/// A command of a day, to a customer, the catalogue or billing.
type Told = (&'static str, &'static str, Value);

impl Book {
    /// A year that began with a subscription per line of [`bought`], and changes in March.
    pub(crate) fn new() -> Self {
        let book = Self { dir: TempDir::new().unwrap() };
        let mut catalogue = catalogue();
        catalogue["catalogue"]["effective_from"] = json!("2020-01-01T00:00:00Z");
        let mut story: Vec<Told> = vec![("2026-01-01", "catalogue", catalogue)];
        for (customer, reseller, market) in
            [(ACME, "r1", "FR"), (BETA, "r2", "DE"), (GAMMA, "r1", "AT")]
        {
            story.push((
                "2026-01-01",
                customer,
                json!({ "command": "RegisterCustomer",
                "name": id_of(customer), "reseller": reseller, "programme": "nce", "market": market,
                "currency": "EUR" }),
            ));
        }
        story.push((
            "2026-01-01",
            "billing",
            json!({ "command": "SetBillingTerms",
            "version": "terms-1", "from": "2026-01", "terms": { "issuer": "Partner",
            "taxes": { "FR": "20" }, "margin_percent": "10", "currencies": { "r2": "USD" } } }),
        ));
        story.push((
            "2026-01-01",
            "billing",
            json!({ "command": "ImportExchangeRates",
            "id": "fx-1", "date": "2025-12-29", "from": "2026-01-01",
            "rates": [{ "from": "EUR", "to": "USD", "rate": "1.0837" }] }),
        ));
        story.extend(bought());
        story.extend(changed());
        record(&book.root(), ClockKind::Real, &story);
        book
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// What the ledger bills in the period.
    pub(crate) fn billed(&self) -> Vec<BilledLine> {
        let args = SourceArgs { data: self.root(), url: None, tokens: None, token_file: None };
        let source = Source::open(&args).unwrap();
        let mut lines = Vec::new();
        let visit = &mut |line: BilledLine| {
            if line.period.to_string() == PERIOD {
                lines.push(line);
            }
            Ok(())
        };
        block_on(source.each_line("2026-03-31".parse().unwrap(), visit)).unwrap();
        lines
    }

    /// What was recorded of comparisons.
    pub(crate) fn reconciliations(&self) -> Vec<Value> {
        let args = SourceArgs { data: self.root(), url: None, tokens: None, token_file: None };
        let books = block_on(Source::open(&args).unwrap().books()).unwrap();
        books.reconciliations().iter().map(|recorded| json!(recorded)).collect()
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

fn purchase(subscription: &str, offer: &str, billing: &str, quantity: u32) -> Value {
    json!({ "command": "Purchase", "subscription": subscription, "offer": offer,
        "term": "P1Y", "billing": billing, "quantity": quantity })
}

/// Subscriptions by the month: they are charged in March for a cycle that begins there.
fn bought() -> Vec<Told> {
    let days = ["2026-01-04", "2026-01-11", "2026-01-18", "2026-02-05", "2026-02-25"];
    let offers = ["office-365-e1", "office-365-e3", "office-365-e5"];
    let mut all = Vec::new();
    for (at, day) in days.into_iter().enumerate() {
        for (of, customer) in [ACME, BETA, GAMMA].into_iter().enumerate() {
            for (number, offer) in offers.into_iter().enumerate() {
                let name = format!("{}-{at}{number}", id_of(customer));
                let seats = u32::try_from(7 + 5 * at + 3 * of + number).unwrap();
                all.push((day, customer, purchase(&name, offer, "monthly", seats)));
            }
        }
    }
    all
}

/// What happens in March.
fn changed() -> Vec<Told> {
    let add = |subscription: &str, seats: u32| json!({ "command": "AddSeats", "subscription": subscription, "seats": seats });
    let promoted = |subscription: &str| {
        let mut bought = purchase(subscription, "office-365-e3", "annual", 12);
        bought["promotion"] = json!("spring-2026");
        bought
    };
    let mut all = vec![
        ("2026-03-03", ACME, promoted("acme-promo")),
        ("2026-03-03", BETA, promoted("beta-promo")),
        ("2026-03-06", ACME, purchase("acme-new", "office-365-e1", "monthly", 9)),
        ("2026-03-06", GAMMA, purchase("gamma-new", "office-365-e1", "monthly", 11)),
        ("2026-03-06", GAMMA, purchase("gamma-left", "office-365-e3", "monthly", 4)),
        ("2026-03-06", GAMMA, purchase("gamma-low", "office-365-e1", "monthly", 6)),
    ];
    for (customer, name) in
        [(ACME, "00"), (ACME, "01"), (ACME, "02"), (BETA, "01"), (GAMMA, "00"), (GAMMA, "01")]
    {
        all.push(("2026-03-08", customer, add(&format!("{}-{name}", id_of(customer)), 3)));
    }
    // Twice on one day: the order of such changes is not told by their legs' sum.
    for (customer, name) in [(GAMMA, "10"), (ACME, "11")] {
        let subscription = format!("{}-{name}", id_of(customer));
        all.push(("2026-03-09", customer, add(&subscription, 2)));
        all.push(("2026-03-09", customer, add(&subscription, 5)));
    }
    all.push((
        "2026-03-09",
        GAMMA,
        json!({ "command": "RemoveSeats",
        "subscription": "gamma-00", "seats": 2 }),
    ));
    all.push(("2026-03-10", GAMMA, json!({ "command": "Cancel", "subscription": "gamma-left" })));
    all.push((
        "2026-03-10",
        GAMMA,
        json!({ "command": "Upgrade", "subscription": "gamma-low",
        "target_offer": "office-365-e3", "into": { "new": { "subscription": "gamma-high",
        "end_date": "coterminous" } } }),
    ));
    all
}

/// A line of the vendor's file, by the columns that a comparison reads.
#[derive(Clone, Debug)]
pub(crate) struct Vendor {
    pub(crate) customer: String,
    pub(crate) subscription: String,
    pub(crate) offer: String,
    pub(crate) charge_type: String,
    pub(crate) reference: String,
    pub(crate) start: String,
    pub(crate) end: String,
    pub(crate) days: u32,
    pub(crate) cycle: u32,
    pub(crate) quantity: i64,
    pub(crate) unit_price: Decimal,
    pub(crate) rate: Option<Decimal>,
    pub(crate) policy: RoundingPolicy,
    pub(crate) subtotal: Decimal,
    pub(crate) tax: Decimal,
    pub(crate) tax_percent: Decimal,
    pub(crate) currency: Currency,
}

impl Vendor {
    pub(crate) fn of(line: &BilledLine) -> Self {
        let our = OurLine::of(line).unwrap();
        let charge_type = serde_json::to_value(our.charge_type).unwrap();
        Self {
            customer: our.customer.to_string(),
            subscription: our.subscription.to_string(),
            offer: our.offer.to_string(),
            charge_type: charge_type.as_str().unwrap().to_owned(),
            reference: our.reference.to_string(),
            start: our.period.start.to_string(),
            end: our.period.end.to_string(),
            days: our.billable_days,
            cycle: our.cycle_days,
            quantity: our.quantity,
            unit_price: our.unit_price,
            rate: our.rate,
            policy: our.rounding,
            subtotal: our.subtotal,
            tax: our.tax,
            tax_percent: our.tax_percent,
            currency: our.currency,
        }
    }

    /// Its amounts as its facts give them.
    pub(crate) fn computed(mut self) -> Self {
        let amount = self.unit_price * self.rate.unwrap_or(Decimal::ONE);
        let price = Money { amount, currency: self.currency };
        let all = prorate(price, self.quantity, self.days, self.cycle, self.policy).unwrap();
        self.subtotal = all.total.amount;
        self.tax = share(all.total, self.tax_percent).unwrap().amount;
        self
    }

    pub(crate) fn value(&self, column: &str) -> String {
        match column {
            "CustomerId" => self.customer.clone(),
            "SubscriptionId" | "SyndicationPartnerSubscriptionNumber" => self.subscription.clone(),
            "ProductId" => self.offer.clone(),
            "SkuId" => "0001".to_owned(),
            "ChargeType" => self.charge_type.clone(),
            "ReferenceID" => self.reference.clone(),
            "ChargeStartDate" => format!("{}T00:00:00Z", self.start),
            "ChargeEndDate" => format!("{}T00:00:00Z", self.end),
            "UnitPrice" => self.unit_price.to_string(),
            "Quantity" => self.quantity.abs().to_string(),
            "BillableQuantity" => self.quantity.to_string(),
            "Subtotal" | "Amount" => self.subtotal.to_string(),
            "TaxTotal" | "Tax" => self.tax.to_string(),
            "Total" | "TotalForCustomer" => (self.subtotal + self.tax).to_string(),
            "Currency" => self.currency.to_string(),
            "PricingCurrency" => "EUR".to_owned(),
            "PCToBCExchangeRate" => self.rate.unwrap_or(Decimal::ONE).to_string(),
            "PCToBCExchangeRateDate" => "2025-12-29T00:00:00Z".to_owned(),
            _ => String::new(),
        }
    }
}

/// A file of these lines and columns.
pub(crate) fn csv(columns: &str, lines: &[Vendor]) -> String {
    let rows = lines.iter().map(|line| {
        let fields = columns.split(',').map(|column| line.value(column.trim()));
        fields.collect::<Vec<_>>().join(",")
    });
    let header = columns.replace(' ', "");
    [header].into_iter().chain(rows).map(|row| row + "\n").collect()
}

/// The invoice as the ledger itself writes it in the vendor's columns.
pub(crate) fn exported() -> String {
    let book = book();
    let root = book.root();
    let asked = ["export", "--layout", "vendor", "--period", PERIOD, "--until", "2026-03-31"];
    let answer = run(&[&asked[..], &["-o", "-", "--data", root.to_str().unwrap()]].concat());
    assert_eq!((answer.exit, answer.err.as_str()), (Exit::Fine, ""));
    answer.out
}

/// One story for all tests; a folder has one reader at a time.
static BOOK: LazyLock<Mutex<Book>> = LazyLock::new(|| Mutex::new(Book::new()));

/// The invoice as it should be.
pub(crate) static LINES: LazyLock<Vec<Vendor>> =
    LazyLock::new(|| book().billed().iter().map(Vendor::of).collect());

/// What the ledger bills.
pub(crate) static OURS: LazyLock<Vec<OurLine>> =
    LazyLock::new(|| book().billed().iter().map(|line| OurLine::of(line).unwrap()).collect());

pub(crate) fn book() -> MutexGuard<'static, Book> {
    BOOK.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn reconciled(name: &str, content: impl AsRef<[u8]>, more: &[&str]) -> Answer {
    of(&book(), name, content, more)
}

pub(crate) fn of(book: &Book, name: &str, content: impl AsRef<[u8]>, more: &[&str]) -> Answer {
    let (file, root) = (book.file(name, content), book.root());
    let (file, root) = (file.to_str().unwrap(), root.to_str().unwrap());
    run(&[&["reconcile", file, "--period", PERIOD, "--data", root], more].concat())
}
