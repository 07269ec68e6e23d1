//! The dashboard: pages made on the server, without scripts. It reads views and decides nothing.

pub mod session;
pub mod show;

use std::sync::{Arc, LazyLock};

use askama::Template;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use ledger_core::commit::Hash;
use ledger_core::folder::ClockKind;
use ledger_core::ids::CustomerId;
use ledger_core::store::CommitLog;
use projector::views::customers::CustomerDocument;
use serde::Deserialize;

use self::show::{
    ChangeRow, CustomerRow, DueRow, LicenceRow, RequestRow, Share, SubscriptionCard, instant,
};
use crate::auth::{Principal, Scope};
use crate::extract::At;
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;

/// The pages' only style sheet; it is part of every page.
const CSS: &str = include_str!("../../templates/style.css");

/// Entries of the short lists on a page.
const ROWS_MAX: usize = 12;

/// Allows the one style sheet by its hash, forms to this server, and nothing else.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Hash::of(CSS.as_bytes()).as_bytes());
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
});

/// What the frame of every page shows.
#[derive(Debug)]
struct Frame {
    css: &'static str,
    /// The ledger's clock; empty for those who are not signed in.
    now: String,
    /// Whether that clock moves only when told to.
    is_simulated: bool,
    /// Who is signed in; empty for nobody.
    who: String,
}

impl Frame {
    fn of(state: &AppState, principal: &Principal) -> Self {
        let who = principal.actor.id.to_string();
        let is_simulated = state.clock.kind() == ClockKind::Simulated;
        Self { css: CSS, now: instant(state.now()), is_simulated, who }
    }

    const fn closed() -> Self {
        Self { css: CSS, now: String::new(), is_simulated: false, who: String::new() }
    }
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    frame: Frame,
    customers: Vec<CustomerRow>,
    licences: Share,
    due_soon: usize,
    requests: Vec<RequestRow>,
    due: Vec<DueRow>,
    changes: Vec<ChangeRow>,
}

#[derive(Template)]
#[template(path = "customer.html")]
struct OneCustomer {
    frame: Frame,
    customer: CustomerRow,
    active: Vec<SubscriptionCard>,
    ended: Vec<SubscriptionCard>,
    licences: Vec<LicenceRow>,
    requests: Vec<RequestRow>,
    due: Vec<DueRow>,
    changes: Vec<ChangeRow>,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
    problem: &'static str,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct Failed {
    frame: Frame,
    title: String,
    detail: String,
}

fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            let mut answer = (status, Html(html)).into_response();
            if let Ok(policy) = HeaderValue::try_from(POLICY.as_str()) {
                answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
            }
            answer
        }
        Err(err) => Problem::internal(&err).into_response(),
    }
}

/// Somebody who is signed in; everybody else is sent to the sign-in page.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn(Principal);

impl FromRequestParts<Arc<AppState>> for SignedIn {
    type Rejection = Redirect;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<AppState>,
    ) -> Result<Self, Redirect> {
        let found = state.sessions.find(&parts.headers);
        found.map(Self).ok_or_else(|| Redirect::to("/sign-in"))
    }
}

/// A problem as a page.
struct PageProblem(Frame, Problem);

impl IntoResponse for PageProblem {
    fn into_response(self) -> Response {
        let Self(frame, problem) = self;
        let status = problem.status();
        let ProblemBody { title, detail, .. } = *problem.body;
        page(status, &Failed { frame, title, detail })
    }
}

/// All customers that one sees, what is due next and what happened last.
pub(crate) async fn home(
    State(state): State<Arc<AppState>>,
    SignedIn(principal): SignedIn,
) -> Response {
    let frame = || Frame::of(&state, &principal);
    match load_home(&state, &principal).await {
        Ok(home) => page(StatusCode::OK, &home),
        Err(problem) => PageProblem(frame(), problem).into_response(),
    }
}

async fn load_home(state: &AppState, principal: &Principal) -> Result<Home, Problem> {
    let now = state.now();
    let views = state.views_at(Some(state.ledger.log().durable_position())).await?;
    let customers: Vec<CustomerDocument> = views.customers()?;
    let seen = |c: &CustomerDocument| principal.scope.includes(&c.customer, &c.reseller);
    let customers: Vec<_> = customers.into_iter().filter(seen).map(CustomerRow::from).collect();
    let (used, total) = customers.iter().fold((0, 0), |(used, total): (u64, u64), row| {
        (used.saturating_add(row.of.assigned), total.saturating_add(row.of.seats))
    });
    let soon = now.checked_add_signed(TimeDelta::days(30)).unwrap_or(now);
    let due = views.all_due(usize::MAX)?.into_iter();
    let due: Vec<_> =
        due.filter(|due| principal.scope.includes(&due.customer, &due.reseller)).collect();
    let mut requests = Vec::new();
    for row in customers.iter().filter(|row| 0 < row.of.requests_open) {
        requests.extend(views.requests(&row.of.customer)?);
    }
    requests.sort_by_key(|request| request.asked_at);
    let requests = requests.into_iter().map(RequestRow::from).collect();
    let due_soon = due.iter().filter(|due| due.due_at <= soon).count();
    let due = due.into_iter().take(ROWS_MAX).map(|due| DueRow::of(due, now)).collect();
    let log = state.ledger.log();
    let mut changes = match &principal.scope {
        Scope::All => views.last_changes(log, None, ROWS_MAX).await?,
        Scope::Reseller(_) | Scope::Customer(_) => {
            let mut changes = Vec::new();
            for id in changed_last(&customers) {
                changes.extend(views.last_changes(log, Some(id), ROWS_MAX).await?);
            }
            changes
        }
    };
    changes.sort_by_key(|change| std::cmp::Reverse(change.position));
    let changes = changes.into_iter().take(ROWS_MAX).map(ChangeRow::from).collect();
    let frame = Frame::of(state, principal);
    Ok(Home {
        frame,
        customers,
        licences: Share::of(used, total),
        due_soon,
        requests,
        due,
        changes,
    })
}

/// Those customers whose commits can be among the last [`ROWS_MAX`] of all.
fn changed_last(customers: &[CustomerRow]) -> impl Iterator<Item = &CustomerId> {
    let mut newest: Vec<_> = customers.iter().map(|row| &row.of).collect();
    newest.sort_by_key(|customer| std::cmp::Reverse(customer.position));
    newest.into_iter().take(ROWS_MAX).map(|customer| &customer.customer)
}

/// One customer: subscriptions with their deadlines, licences, what is due and what happened.
pub(crate) async fn customer(
    State(state): State<Arc<AppState>>,
    SignedIn(principal): SignedIn,
    id: Result<At<CustomerId>, Problem>,
) -> Response {
    let frame = || Frame::of(&state, &principal);
    let loaded = match id {
        Ok(At(id)) => load_customer(&state, &principal, &id).await,
        Err(problem) => Err(problem),
    };
    match loaded {
        Ok(customer) => page(StatusCode::OK, &customer),
        Err(problem) => PageProblem(frame(), problem).into_response(),
    }
}

async fn load_customer(
    state: &AppState,
    principal: &Principal,
    id: &CustomerId,
) -> Result<OneCustomer, Problem> {
    principal.sees(state, id).await?;
    let now = state.now();
    let views = state.views_at(Some(state.ledger.log().durable_position())).await?;
    let customer = views.customer(id)?.ok_or_else(|| Problem::customer_unknown(id))?;
    let all = views.subscriptions(id)?.into_iter().map(|s| SubscriptionCard::of(s, now));
    let (active, ended) = all.partition(|card| card.is_shown);
    let requests = views.requests(id)?.into_iter().map(RequestRow::from).collect();
    let due = views.all_due(usize::MAX)?.into_iter().filter(|due| due.customer == *id);
    let changes = views.last_changes(state.ledger.log(), Some(id), ROWS_MAX).await?;
    Ok(OneCustomer {
        frame: Frame::of(state, principal),
        customer: customer.into(),
        active,
        ended,
        licences: views.licences(id)?.into_iter().map(LicenceRow::from).collect(),
        requests,
        due: due.map(|due| DueRow::of(due, now)).collect(),
        changes: changes.into_iter().map(ChangeRow::from).collect(),
    })
}

/// The sign-in page.
pub(crate) async fn sign_in_form() -> Response {
    page(StatusCode::OK, &SignIn { frame: Frame::closed(), problem: "" })
}

/// The sign-in form.
#[derive(Deserialize)]
pub(crate) struct SignInBody {
    token: String,
}

/// Signs in with a token.
pub(crate) async fn sign_in(
    State(state): State<Arc<AppState>>,
    body: Result<Form<SignInBody>, FormRejection>,
) -> Response {
    let Ok(Form(SignInBody { token })) = body else {
        let problem = "The form was incomplete; paste a token and try again.";
        return page(StatusCode::BAD_REQUEST, &SignIn { frame: Frame::closed(), problem });
    };
    let Some(principal) = state.tokens.find(token.trim()).cloned() else {
        let problem = "This token is not one of this ledger's.";
        return page(StatusCode::UNAUTHORIZED, &SignIn { frame: Frame::closed(), problem });
    };
    match state.sessions.sign_in(principal) {
        Ok(cookie) => with_cookie(&cookie, "/"),
        Err(err) => Problem::internal(&err).into_response(),
    }
}

/// Signs out.
pub(crate) async fn sign_out(State(state): State<Arc<AppState>>, headers: HeaderMap) -> Response {
    with_cookie(&state.sessions.sign_out(&headers), "/sign-in")
}

fn with_cookie(cookie: &str, to: &str) -> Response {
    let mut answer = Redirect::to(to).into_response();
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}
