//! REST: one route per operation of the table, made by walking it.
//!
//! Errors are problem documents (RFC 9457). The role that an operation needs is checked by the application; here only that
//! somebody is logged in.

pub mod answer;
pub mod call;
pub(crate) mod cookie;
pub mod dispatch;
mod socket;

use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{DefaultBodyLimit, RawPathParams, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use futures_util::StreamExt as _;
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::operation::{self, Access, Method, OPERATIONS, Operation, PREFIX};
use tomato_store::TokenKind;

use crate::app::{Answer, App, Caller};
pub(crate) use crate::http::answer::problem;
use crate::http::call::Call;

/// Every route of the backend.
pub fn router(app: App) -> Router {
    let mut routes: BTreeMap<&'static str, MethodRouter<App>> = BTreeMap::new();
    for operation in OPERATIONS {
        let route = routes.remove(operation.path).unwrap_or_default();
        routes
            .insert(operation.path, route.merge(on(filter(operation.method), handler(operation))));
    }
    let mut router = Router::new();
    for (path, route) in routes {
        router = router.route(&format!("{PREFIX}{path}"), route);
    }
    if let Some(metrics) = operation::find("metrics_show") {
        // where programs that collect figures look
        router = router.route(metrics.path, on(MethodFilter::GET, handler(metrics)));
    }
    router
        .route(&format!("{PREFIX}/{{*rest}}"), axum::routing::any(unknown))
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}

async fn unknown() -> Response {
    problem(&ApiError::new(
        ErrorCode::EntityDoesNotExist,
        format!("there is no such operation: see {PREFIX}/openapi.json"),
    ))
}

async fn wrong_method(request: Request) -> Response {
    let error = ApiError::new(
        ErrorCode::UnsupportedAction,
        format!(
            "{} cannot be asked for with {}: see {PREFIX}/openapi.json for what can",
            request.uri().path(),
            request.method()
        ),
    );
    let mut response = problem(&error);
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}

fn filter(method: Method) -> MethodFilter {
    match method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Put => MethodFilter::PUT,
        Method::Patch => MethodFilter::PATCH,
        Method::Delete => MethodFilter::DELETE,
    }
}

type Handled = std::pin::Pin<Box<dyn Future<Output = Response> + Send>>;

/// The handler of one operation.
fn handler(
    operation: &'static Operation,
) -> impl Fn(State<App>, RawPathParams, Request) -> Handled + Clone + Send + Sync + 'static {
    move |State(app), params, request| {
        Box::pin(async move {
            let begun = Instant::now();
            let result = answer(&app, operation, &params, request).await;
            app.calls().took("rest", operation.name, begun.elapsed());
            result.unwrap_or_else(|error| problem(&error))
        })
    }
}

/// Reads a call and carries it out.
async fn answer(
    app: &App,
    operation: &'static Operation,
    params: &RawPathParams,
    request: Request,
) -> Answer<Response> {
    let params = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let call = begin(app, operation, params, request).await?;
    let (caller, owned) = (call.caller.clone(), app.clone());
    let _hung_up = call.gone.clone().drop_guard();
    // A change that was heard to its end runs to its end even if its client hangs up in the middle.
    let work = async move { dispatch::dispatch(&owned, call).await };
    let response = if operation.method == Method::Get {
        work.await?
    } else {
        let work = tokio::spawn(crate::peer::from(crate::peer::address(), work));
        work.await.unwrap_or_else(|error| {
            tracing::error!(%error, op = operation.name, "an operation broke off");
            Err(ApiError::new(ErrorCode::Internal, "the operation broke off: see the log"))
        })?
    };
    Ok(while_proven(app.clone(), caller, response))
}

/// A stream breaks off when the caller may not come in any more; what has a length is short and ends by itself.
fn while_proven(app: App, caller: Caller, response: Response) -> Response {
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|body| {
        let mut chunks = body.into_data_stream();
        Body::from_stream(async_stream::stream! {
            let mut revoked = std::pin::pin!(app.until_revoked(&caller));
            loop {
                tokio::select! {
                    () = &mut revoked => {
                        yield Err(axum::Error::new(std::io::Error::other("log in again")));
                        break;
                    }
                    chunk = chunks.next() => match chunk {
                        Some(chunk) => yield chunk,
                        None => break,
                    },
                }
            }
        })
    })
}

/// Finds out who calls, and reads what they say unless it is a stream.
async fn begin(
    app: &App,
    operation: &'static Operation,
    params: BTreeMap<String, String>,
    request: Request,
) -> Answer<Call> {
    let caller = authenticate(app, request.headers()).await?;
    let caller = match (caller, operation.access) {
        (Some(caller), _) => caller,
        (None, Access::Anonymous) => {
            Caller { address: crate::peer::address(), ..Caller::default() }
        }
        (None, _) => {
            return Err(ApiError::new(
                ErrorCode::NotLoggedIn,
                "log in by basic authentication, a token or a session",
            ));
        }
    };
    caller.need_scope(operation)?;
    if operation.access == Access::Admin {
        caller.need_admin()?;
    }
    let call = Call::new(operation, caller, params, request);
    call.need_no_condition()?;
    call.need_known_query()?;
    call.heard().await
}

/// Who calls, if credentials are given: by password, by token or by the cookie of a session.
///
/// # Errors
/// The credentials are wrong.
pub async fn authenticate(app: &App, headers: &HeaderMap) -> Answer<Option<Caller>> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return match cookie::secret(headers) {
            // a session that is over is none
            Some(secret) => app.login_secret(secret, TokenKind::Session).await,
            None => Ok(None),
        };
    };
    let unreadable = || ApiError::new(ErrorCode::NotLoggedIn, "authorization: use Basic or Bearer");
    let value = value.to_str().map_err(|_not_text| unreadable())?;
    let (scheme, rest) = value.split_once(' ').ok_or_else(unreadable)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return app.login_token(rest.trim()).await.map(Some);
    }
    let (name, password) = crate::xmlrpc::basic(value).ok_or_else(unreadable)?;
    app.login(&name, &password).await.map(Some)
}

/// The status of an error.
pub(crate) fn status(code: ErrorCode) -> StatusCode {
    StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// No content.
pub(crate) fn nothing() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

#[cfg(test)]
mod tests;
