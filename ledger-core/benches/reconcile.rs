//! Comparing a vendor's invoice file of a million lines with as many of ours: reading alone, and reading
//! and comparing, when all agree and when one line in a hundred does not.
//!
//! `LINES=1000000 cargo bench -p ledger-core --bench reconcile`

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate};
use ledger_core::calendar::Period;
use ledger_core::charges::ChargeType;
use ledger_core::ids::{CustomerId, SubscriptionId};
use ledger_core::money::{Currency, RoundingPolicy};
use ledger_core::reconcile::{InvoiceFile, OurLine, Reading, Reconciler, Reconciliation};
use rust_decimal::Decimal;
use smol_str::format_smolstr;

const HEADER: &str = "PartnerId,CustomerId,CustomerName,CustomerDomainName,CustomerCountry,\
    InvoiceNumber,MPNID,ResellerMPNID,OrderId,OrderDate,ProductId,SkuId,AvailabilityId,SkuName,\
    ProductName,ChargeType,UnitPrice,Quantity,Subtotal,TaxTotal,Total,Currency,\
    PriceAdjustmentDescription,PublisherName,PublisherId,SubscriptionDescription,SubscriptionId,\
    ChargeStartDate,ChargeEndDate,TermAndBillingCycle,EffectiveUnitPrice,UnitType,AlternateId,\
    BillableQuantity,BillingFrequency,PricingCurrency,PCToBCExchangeRate,PCToBCExchangeRateDate,\
    MeterDescription,ReservationOrderId,CreditReasonCode,SubscriptionStartDate,\
    SubscriptionEndDate,ReferenceID,ProductQualifiers,PromotionID\n";

fn main() {
    let lines: u32 = std::env::var("LINES").map_or(100_000, |lines| lines.parse().unwrap());
    let ours: Vec<OurLine> = (0..lines).map(our).collect();
    println!("{lines} lines; {} with ours alone", resident());
    let dir = tempfile::tempdir().unwrap();
    let [same, other] = ["same", "other"].map(|name| dir.path().join(name));
    write(&same, &ours, 0);
    write(&other, &ours, 100);
    println!("a file of {} MB", fs::metadata(&same).unwrap().len() / 1_000_000);
    measure("read", lines, || {
        let file = InvoiceFile::open(|| open(&same), Reading::default()).unwrap();
        file.fold(0, |sum, line| sum + black_box(line.unwrap().line) / 1_000_000)
    });
    let mine = ours.clone();
    measure("read and compare, all agree", lines, || compare(&same, mine).differences.len());
    measure("read and compare, one in a hundred differs", lines, || {
        compare(&other, ours).differences.len()
    });
    println!("{}", resident());
}

fn measure<T: std::fmt::Debug>(what: &str, lines: u32, work: impl FnOnce() -> T) {
    let (begun, busy) = (Instant::now(), busy());
    let result = work();
    let (took, busy) = (begun.elapsed(), self::busy().saturating_sub(busy));
    let rate = u128::from(lines) * Duration::from_secs(1).as_nanos() / took.as_nanos().max(1);
    println!("{what}: {took:.2?} ({busy:.2?} of a core), {rate} lines/s");
    println!("  result {result:?}; {}", resident());
}

fn compare(file: &Path, ours: Vec<OurLine>) -> Reconciliation {
    let file = InvoiceFile::open(|| open(file), Reading::default()).unwrap();
    let mut reconciler = Reconciler::new(ours).unwrap();
    for their in file {
        reconciler.add(their.unwrap()).unwrap();
    }
    reconciler.finish().unwrap()
}

fn open(file: &Path) -> io::Result<Box<dyn Read>> {
    Ok(Box::new(File::open(file)?))
}

/// How long this process has had a core.
fn busy() -> Duration {
    let times = fs::read_to_string("/proc/self/schedstat").unwrap();
    Duration::from_nanos(times.split_whitespace().next().unwrap().parse().unwrap())
}

/// Memory now and at most, as the system counts it.
fn resident() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    format!("{} MiB, at most {} MiB", of("VmRSS"), of("VmHWM"))
}

/// A subscription of a customer with twenty of them, charged by the month.
fn our(number: u32) -> OurLine {
    let customer = format!("2d7d7d9c-0000-4000-8000-{:012}", number / 20);
    let subscription = SubscriptionId::try_new(format!("7a6e1f00-{number:012}-4000")).unwrap();
    let first = NaiveDate::from_ymd_opt(2024, 3, 1).unwrap();
    let start = first + Days::new(u64::from(number % 31));
    let quantity = i64::from(1 + number % 250);
    let unit_price = Decimal::new(1970, 2);
    let id = format_smolstr!("{customer}/{subscription}/{start}");
    OurLine {
        reference: id.clone(),
        id,
        customer: CustomerId::try_new(customer).unwrap(),
        subscription,
        offer: "CFQ7TTC0LH18-0001".into(),
        charge_type: ChargeType::CycleCharge,
        period: Period { start, end: start + Days::new(30) },
        quantity,
        unit_price,
        rate: None,
        billable_days: 31,
        cycle_days: 31,
        rounding: RoundingPolicy::UnitTruncate,
        subtotal: unit_price * Decimal::from(quantity),
        tax: Decimal::ZERO,
        tax_percent: Decimal::ZERO,
        currency: Currency::EUR,
    }
}

/// The invoice, its lines in no order; of so many lines, one has a seat more. None: 0.
fn write(path: &Path, ours: &[OurLine], one_in: usize) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    out.write_all(HEADER.as_bytes()).unwrap();
    // A step that has no divisor in common with the number of lines visits all of them.
    let step = 7_368_787;
    for at in 0..ours.len() {
        let our = &ours[at * step % ours.len()];
        let is_other = one_in != 0 && at.is_multiple_of(one_in);
        let seats = our.quantity + i64::from(is_other);
        let amount = our.unit_price * Decimal::from(seats);
        let (start, end) = (our.period.start, our.period.end);
        let (price, customer, subscription) = (our.unit_price, &our.customer, &our.subscription);
        writeln!(
            out,
            "partner,{customer},Customer,example.com,FR,G000123456,1234,5678,order,\
             2024-01-01T00:00:00Z,CFQ7TTC0LH18,0001,CFQ7TTC0R5HX,Office 365 E3,Office 365 E3,\
             cycleCharge,{price},{seats},{amount},0,{amount},EUR,,Vendor,,Office 365 E3,\
             {subscription},{start}T00:00:00Z,{end}T00:00:00Z,One-Year commitment,{price},\
             Licenses,alternate,{seats},Monthly,EUR,1,2024-02-28T00:00:00Z,,,,\
             2024-01-01T00:00:00Z,2024-12-31T00:00:00Z,,,"
        )
        .unwrap();
    }
    out.flush().unwrap();
}
