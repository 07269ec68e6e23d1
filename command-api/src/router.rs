//! Every address of the server, and what all requests go through.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::auth::Principal;
use crate::config::BODY_BYTES_MAX;
use crate::extract::NoQuery;
use crate::metrics::count;
use crate::pages;
use crate::problem::{Kind, Problem};
use crate::routes::{
    backups, billing, bulk, catalogue, choices, clock, customers, due, explain, groups, health,
    history, licences, log, metrics, opening, people, portal, prices, proofs, renewals, requests,
    statements, subscriptions, users, views,
};
use crate::state::AppState;

/// The server's answers to every address.
pub fn app(state: Arc<AppState>) -> Router {
    Router::new()
        .route("/v1/customers", get(customers::list).post(customers::register))
        .route("/v1/customers/{customer}", get(customers::show))
        .nest("/v1/customers/{customer}", of_customer())
        .nest("/v1/customers/{customer}/subscriptions/{subscription}", of_subscription())
        .route("/v1/requests", get(requests::list_all))
        .route("/v1/due", get(due::list))
        .route("/v1/catalogue", get(catalogue::show).post(catalogue::import))
        .route("/v1/price-lists", post(prices::import_prices))
        .route("/v1/offer-matrices", post(prices::import_matrix))
        .route("/v1/programmes/{programme}/policies", post(prices::set_policy))
        .route("/v1/billing/terms", get(billing::terms).post(billing::set_terms))
        .route("/v1/billing/exchange-rates", get(billing::rates).post(billing::import_rates))
        .route("/v1/billing/periods", get(billing::periods))
        .route("/v1/billing/periods/{period}", get(billing::period))
        .route("/v1/billing/periods/{period}/close", post(billing::close))
        .route(
            "/v1/billing/reconciliations",
            get(billing::reconciliations).post(billing::record_reconciliation),
        )
        .route("/v1/statements/{number}", get(statements::show))
        .route("/v1/resellers/{reseller}/statements", get(statements::of_reseller))
        .route("/v1/explain", get(explain::explain_id))
        .route("/v1/clock", get(clock::show).post(clock::set))
        .route("/v1/bulk", post(bulk::bulk))
        .route("/v1/views", get(views::show))
        .route("/v1/log", get(log::log))
        .route("/v1/journal", get(log::journal))
        .route("/v1/log/{position}/proof", get(proofs::prove))
        .route("/v1/checkpoints", get(proofs::list).post(proofs::sign))
        .route("/v1/checkpoints/latest", get(proofs::latest))
        .route("/v1/checkpoints/consistency", get(proofs::consistency))
        .route("/v1/backups", post(backups::make))
        .route("/v1/openapi.json", get(openapi_json))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::show))
        .merge(pages())
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_method)
        .layer(
            // As one layer: the router boxes what each of its layers makes for every request.
            ServiceBuilder::new()
                .layer(TraceLayer::new_for_http())
                .map_response(harden)
                .layer(from_fn_with_state(Arc::clone(&state), count))
                .layer(CatchPanicLayer::custom(panicked))
                .layer(DefaultBodyLimit::max(BODY_BYTES_MAX)),
        )
        .with_state(state)
}

/// What can be asked about one customer, and of it.
fn of_customer() -> Router<Arc<AppState>> {
    Router::new()
        .route("/state", get(customers::state_in_past))
        .route("/particulars", post(customers::change))
        .route("/agreement", post(customers::accept_agreement))
        .route("/delegated-admin/grant", post(customers::grant))
        .route("/delegated-admin/revoke", post(customers::revoke))
        .route("/external-subscriptions", post(customers::declare))
        .route("/external-subscriptions/{offer}/withdraw", post(customers::withdraw))
        .route("/portal-access", get(portal::list).post(portal::grant_access))
        .route("/portal-access/{user}/revoke", post(portal::revoke_access))
        .route("/subscriptions", get(subscriptions::list).post(subscriptions::purchase))
        .route("/subscriptions/{subscription}", get(subscriptions::show))
        .route("/opening-balances", post(opening::import))
        .route("/end-dates", get(choices::of_end_dates))
        .route("/trials", post(subscriptions::start_trial))
        .route("/requests", get(requests::list).post(requests::ask))
        .route("/requests/{request}/fulfil", post(requests::fulfil))
        .route("/requests/{request}/decline", post(requests::decline))
        .route("/users", get(users::list).post(users::add))
        .route("/users/{user}/remove", post(users::remove))
        .route("/users/{user}/name", get(people::known).post(people::name))
        .route("/erase", post(people::erase))
        .route("/licences", get(licences::list))
        .route("/licences/{offer}/assign", post(licences::assign))
        .route("/licences/{offer}/unassign", post(licences::unassign))
        .route("/groups", get(groups::list))
        .route("/groups/{group}/add-member", post(groups::add_member))
        .route("/groups/{group}/remove-member", post(groups::remove_member))
        .route("/groups/{group}/assign", post(groups::assign_to_group))
        .route("/groups/{group}/unassign", post(groups::unassign_from_group))
        .route("/groups/{group}/reprocess", post(groups::reprocess))
        .route("/audit", get(history::audit))
        .route("/charges", get(history::charges))
        .route("/statements", get(statements::of_customer))
        .route("/statements/preview", get(statements::preview))
        .route("/history", get(history::history))
        .route("/refusals", get(history::refusals))
}

/// What can be done with one subscription.
fn of_subscription() -> Router<Arc<AppState>> {
    Router::new()
        .route("/upgrade-choices", get(choices::of_upgrades))
        .route("/add-seats", post(subscriptions::add_seats))
        .route("/remove-seats", post(subscriptions::remove_seats))
        .route("/cancel", post(subscriptions::cancel))
        .route("/suspend", post(subscriptions::suspend))
        .route("/resume", post(subscriptions::resume))
        .route("/rename", post(subscriptions::rename))
        .route("/upgrade", post(subscriptions::upgrade))
        .route("/convert-trial", post(subscriptions::convert_trial))
        .route("/renewal-quantity", post(renewals::renewal_quantity))
        .route("/renewal-settings", post(renewals::renewal_settings))
        .route("/align-end-date", post(renewals::align_end_date))
        .route("/schedule-upgrade", post(renewals::schedule_upgrade))
        .route("/withdraw-scheduled-change", post(renewals::withdraw_scheduled_change))
        .route("/end-of-term", post(renewals::end_of_term))
        .route("/change-term", post(renewals::change_term))
        .route("/billing-frequency", post(renewals::billing_frequency))
        .route("/corrections", post(opening::correct))
        .route("/extend-trial", post(subscriptions::extend_trial))
        .route("/credits", post(subscriptions::grant_credit))
}

/// The dashboard.
fn pages() -> Router<Arc<AppState>> {
    Router::new()
        .route("/", get(pages::home))
        .route("/customers/{customer}", get(pages::customer))
        .route("/sign-in", get(pages::sign_in_form).post(pages::sign_in))
        .route("/sign-out", post(pages::sign_out))
}

async fn unknown_route(uri: Uri) -> Problem {
    let detail =
        format!("There is nothing at {}; /v1/openapi.json lists what there is.", uri.path());
    Problem::new(Kind::RouteUnknown, detail)
}

async fn unknown_method(request: Request) -> Problem {
    let (method, path) = (request.method(), request.uri().path());
    Problem::new(Kind::MethodNotAllowed, format!("{path} does not know the method {method}."))
}

async fn openapi_json(_: Principal, _: NoQuery) -> Response {
    axum::Json(document()).into_response()
}

/// Nothing is cached or guessed by anyone in between.
fn harden<B>(mut answer: axum::http::Response<B>) -> axum::http::Response<B> {
    let headers = answer.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    let detail = "The ledger could not do this because of a defect of its own; its log says more.";
    Problem::new(Kind::Internal, detail).into_response()
}

/// The `OpenAPI` document, made from the handlers.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Subscription ledger",
        description = "Commands, reads and history of a ledger of cloud subscriptions. Conventions \
                       and problem codes: docs/HTTP.md."
    ),
    paths(
        customers::register,
        customers::list,
        customers::show,
        customers::state_in_past,
        customers::change,
        customers::accept_agreement,
        customers::grant,
        customers::revoke,
        customers::declare,
        customers::withdraw,
        subscriptions::purchase,
        subscriptions::start_trial,
        subscriptions::list,
        subscriptions::show,
        subscriptions::add_seats,
        subscriptions::remove_seats,
        subscriptions::cancel,
        subscriptions::suspend,
        subscriptions::resume,
        subscriptions::rename,
        subscriptions::upgrade,
        subscriptions::convert_trial,
        subscriptions::extend_trial,
        subscriptions::grant_credit,
        choices::of_end_dates,
        choices::of_upgrades,
        renewals::renewal_quantity,
        renewals::renewal_settings,
        renewals::align_end_date,
        renewals::schedule_upgrade,
        renewals::withdraw_scheduled_change,
        renewals::end_of_term,
        renewals::change_term,
        renewals::billing_frequency,
        requests::ask,
        requests::list,
        requests::list_all,
        requests::fulfil,
        requests::decline,
        users::add,
        users::list,
        users::remove,
        groups::list,
        groups::add_member,
        groups::remove_member,
        groups::assign_to_group,
        groups::unassign_from_group,
        groups::reprocess,
        portal::list,
        portal::grant_access,
        portal::revoke_access,
        licences::list,
        licences::assign,
        licences::unassign,
        opening::import,
        opening::correct,
        people::name,
        people::known,
        people::erase,
        history::audit,
        history::charges,
        history::history,
        history::refusals,
        statements::of_customer,
        statements::preview,
        statements::of_reseller,
        statements::show,
        explain::explain_id,
        billing::set_terms,
        billing::terms,
        billing::import_rates,
        billing::rates,
        billing::periods,
        billing::period,
        billing::close,
        billing::record_reconciliation,
        billing::reconciliations,
        due::list,
        catalogue::show,
        catalogue::import,
        prices::import_prices,
        prices::import_matrix,
        prices::set_policy,
        clock::show,
        clock::set,
        bulk::bulk,
        views::show,
        log::log,
        log::journal,
        proofs::prove,
        proofs::list,
        proofs::sign,
        proofs::latest,
        proofs::consistency,
        backups::make,
        health::alive,
        health::ready,
        metrics::show,
    ),
    security(("token" = [])),
    modifiers(&Bearer)
)]
struct Document;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of the data folder's tokens.toml"))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The `OpenAPI` document, made from the handlers.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
