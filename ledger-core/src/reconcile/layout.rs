//! Which column holds what: by name, in any order, of new commerce and of the legacy programme.

use csv::StringRecord;
use smol_str::SmolStr;

use super::error::FileError;

/// Columns of all lists, but for those that are looked for by name below. Source: domain, section 4.6.
const KNOWN: [&str; 53] = [
    "PartnerId",
    "PartnerName",
    "CustomerName",
    "CustomerDomainName",
    "CustomerCountry",
    "InvoiceNumber",
    "MPNID",
    "ResellerMPNID",
    "Tier2MpnId",
    "OrderId",
    "OrderDate",
    "AvailabilityId",
    "SkuName",
    "ProductName",
    "Total",
    "PriceAdjustmentDescription",
    "PublisherName",
    "PublisherId",
    "PublisherDiscount",
    "DiscountDetails",
    "ProductCategory",
    "SubscriptionDescription",
    "TermAndBillingCycle",
    "EffectiveUnitPrice",
    "UnitType",
    "AlternateId",
    "BillingFrequency",
    "PricingCurrency",
    "PCToBCExchangeRateDate",
    "MeterDescription",
    "ReservationOrderId",
    "CreditReasonCode",
    "SubscriptionStartDate",
    "SubscriptionEndDate",
    "ProductQualifiers",
    "PromotionID",
    "OfferId",
    "DurableOfferId",
    "OfferName",
    "TotalOtherDiscount",
    "TotalForCustomer",
    "DomainName",
    "SubscriptionName",
    "BillingCycleType",
    "CustomerId",
    "SubscriptionId",
    "ChargeType",
    "ChargeStartDate",
    "ChargeEndDate",
    "UnitPrice",
    "Currency",
    "Quantity",
    "Amount",
];

/// The columns that are read, by their place in the header.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    names: Vec<SmolStr>,
    pub(super) customer: usize,
    pub(super) subscription: usize,
    /// The real subscription in a legacy file, whose own one is an order's.
    pub(super) legacy_subscription: Option<usize>,
    pub(super) charge_type: usize,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) unit_price: usize,
    pub(super) quantity: usize,
    /// Preferred to the quantity, where a line has both.
    pub(super) billable_quantity: Option<usize>,
    pub(super) subtotal: usize,
    pub(super) tax: Option<usize>,
    pub(super) currency: usize,
    pub(super) reference: Option<usize>,
    pub(super) rate: Option<usize>,
    pub(super) product: Option<usize>,
    pub(super) sku: Option<usize>,
    /// Columns that are not known here.
    pub(super) unknown: Vec<usize>,
}

impl Layout {
    pub(super) fn of(header: &StringRecord) -> Result<Self, FileError> {
        let simple_names: Vec<String> = header.iter().map(simple).collect();
        for (index, name) in simple_names.iter().enumerate() {
            if !name.is_empty() && simple_names.iter().take(index).any(|before| before == name) {
                let twice = header.get(index).unwrap_or_default().trim();
                return Err(FileError::ColumnTwice(twice.to_owned()));
            }
        }
        let find = |name: &str| {
            let name = simple(name);
            simple_names.iter().position(|column| *column == name)
        };
        let mut missing = Vec::new();
        let mut need = |name: &'static str, other: Option<usize>| {
            other.or_else(|| find(name)).unwrap_or_else(|| {
                missing.push(name);
                0
            })
        };
        let billable_quantity = find("BillableQuantity");
        let mut layout = Self {
            names: header.iter().map(|name| SmolStr::new(name.trim())).collect(),
            customer: need("CustomerId", None),
            subscription: need("SubscriptionId", None),
            legacy_subscription: find("SyndicationPartnerSubscriptionNumber"),
            charge_type: need("ChargeType", None),
            start: need("ChargeStartDate", None),
            end: need("ChargeEndDate", None),
            unit_price: need("UnitPrice", None),
            quantity: need("Quantity", find("Quantity").or(billable_quantity)),
            billable_quantity,
            subtotal: need("Subtotal", find("Subtotal").or_else(|| find("Amount"))),
            tax: find("TaxTotal").or_else(|| find("Tax")),
            currency: need("Currency", None),
            reference: find("ReferenceId"),
            rate: find("PCToBCExchangeRate"),
            product: find("ProductId"),
            sku: find("SkuId"),
            unknown: Vec::new(),
        };
        if !missing.is_empty() {
            return Err(FileError::ColumnsMissing(missing));
        }
        let optional = [
            layout.legacy_subscription,
            layout.billable_quantity,
            layout.tax,
            layout.reference,
            layout.rate,
            layout.product,
            layout.sku,
        ];
        let is_known = |(index, name): (usize, &String)| {
            name.is_empty()
                || optional.contains(&Some(index))
                || KNOWN.iter().any(|known| simple(known) == *name)
                || index == layout.subtotal
        };
        let columns = simple_names.iter().enumerate();
        layout.unknown =
            columns.filter(|column| !is_known(*column)).map(|(index, _)| index).collect();
        Ok(layout)
    }

    pub(super) const fn columns(&self) -> usize {
        self.names.len()
    }

    pub(super) fn name(&self, column: usize) -> SmolStr {
        self.names.get(column).cloned().unwrap_or_default()
    }

    /// The columns whose values tell the decimal mark.
    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> {
        let optional = [self.billable_quantity, self.tax, self.rate].into_iter().flatten();
        [self.unit_price, self.quantity, self.subtotal].into_iter().chain(optional)
    }
}

/// A column's name without case, blanks and punctuation.
fn simple(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}
