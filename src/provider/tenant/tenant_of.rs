use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, request::Parts};

use crate::{
    event::Tenant,
    provider::custom::envelope::{Envelope, Role},
};

/// Which tenant a request names. Nothing of the request is verified yet: the name is looked up, and
/// the secrets that are found decide.
///
/// ```
/// use http::{HeaderName, Request};
/// use tower_webhook::{event::Tenant, provider::tenant::TenantOf};
///
/// let request = Request::post("/webhooks/acme/stripe?live").header("x-shop", "umbrella");
/// let (parts, ()) = request.body(())?.into_parts();
/// let name = |tenant_of: TenantOf| tenant_of.in_head(&parts).map(|tenant| tenant.to_string());
///
/// let header = HeaderName::from_static("x-shop");
/// assert_eq!(name(TenantOf::header(header)).as_deref(), Some("umbrella"));
/// assert_eq!(name(TenantOf::path_segment(1)).as_deref(), Some("acme"));
/// assert_eq!(name(TenantOf::last_path_segment()).as_deref(), Some("stripe"));
/// assert_eq!(name(TenantOf::path_segment(3)), None);
///
/// let of_host =
///     TenantOf::from_parts(|parts| Tenant::new(parts.uri.host()?.split('.').next()?).ok());
/// assert_eq!(name(of_host), None);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone)]
pub struct TenantOf(TenantPlace);

type OfHead = dyn Fn(&Parts) -> Option<Tenant> + Send + Sync;

#[derive(Clone)]
enum TenantPlace {
    Header(HeaderName),
    Segment(usize),
    LastSegment,
    Head(Arc<OfHead>),
    Body(Arc<Field>),
}

/// A field of the body, or what is wrong with its path.
struct Field {
    path: Result<Envelope, String>,
    max_bytes: usize,
}

impl TenantOf {
    /// The value of a header, which nobody signs. A header with two values that differ names no
    /// tenant.
    #[must_use]
    pub fn header(name: HeaderName) -> Self {
        Self(TenantPlace::Header(name))
    }

    /// A segment of the path, counted from 0, as the layer sees it and as it is written: a `%` is
    /// not decoded. axum's `nest` takes what it matches off the path; `route_service` does not.
    #[must_use]
    pub fn path_segment(position: usize) -> Self {
        Self(TenantPlace::Segment(position))
    }

    /// The last segment of the path.
    #[must_use]
    pub fn last_path_segment() -> Self {
        Self(TenantPlace::LastSegment)
    }

    /// A function finds the name in the parts of the request. It must not block.
    #[must_use]
    pub fn from_parts(find: impl Fn(&Parts) -> Option<Tenant> + Send + Sync + 'static) -> Self {
        Self(TenantPlace::Head(Arc::new(find)))
    }

    /// A field of a body that is JSON: its key, or the keys that lead to it with dots between them.
    /// It is a string or a whole number. A field that is there twice names no tenant. A body of
    /// more than `max_bytes` is refused with 413.
    ///
    /// Use it only for a provider that names the tenant nowhere else.
    ///
    /// # Security
    /// The body is read for the field *before* its signature is checked: bytes of strangers reach a
    /// JSON parser, which is bounded in depth and by `max_bytes`, and nothing else does before the
    /// signature is right. It costs one pass over the body, and a body is hashed only when the
    /// whole of it is there.
    #[must_use]
    pub fn body_field(path: &str, max_bytes: usize) -> Self {
        let keys: Vec<String> = path.split('.').map(str::to_owned).collect();
        let mut envelope = Envelope::default();
        let path = envelope.insert(Role::Scope, &keys).map(|()| envelope);
        Self(TenantPlace::Body(Arc::new(Field { path, max_bytes })))
    }

    /// The tenant that the head of a request names.
    #[must_use]
    pub fn in_head(&self, parts: &Parts) -> Option<Tenant> {
        let segments = || parts.uri.path().trim_start_matches('/').split('/');
        let name = match &self.0 {
            TenantPlace::Header(name) => {
                let mut values = parts.headers.get_all(name).iter();
                let first = values.next()?;
                if values.any(|value| value != first) {
                    return None;
                }
                first.to_str().ok()?
            }
            TenantPlace::Segment(position) => segments().nth(*position)?,
            TenantPlace::LastSegment => segments().next_back()?,
            TenantPlace::Head(find) => return find(parts),
            TenantPlace::Body(_) => return None,
        };
        Tenant::new(name).ok()
    }

    /// The tenant that a body names, where a [field of the body](Self::body_field) does.
    #[must_use]
    pub fn in_body(&self, body: &Bytes) -> Option<Tenant> {
        let TenantPlace::Body(field) = &self.0 else { return None };
        let envelope = field.path.as_ref().ok().filter(|_| body.len() <= field.max_bytes)?;
        let name = envelope.read(body).ok()?.scope?;
        Tenant::new(name.as_str()).ok()
    }

    /// Whether it is the body that names the tenant.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        self.max_bytes().is_some()
    }

    /// How long a body may be that names the tenant.
    #[must_use]
    pub fn max_bytes(&self) -> Option<usize> {
        match &self.0 {
            TenantPlace::Body(field) => Some(field.max_bytes),
            _ => None,
        }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        match &self.0 {
            TenantPlace::Body(field) => field.path.as_ref().map(drop).map_err(Clone::clone),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for TenantOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            TenantPlace::Header(name) => write!(f, "the header `{name}`"),
            TenantPlace::Segment(position) => write!(f, "segment {position} of the path"),
            TenantPlace::LastSegment => f.write_str("the last segment of the path"),
            TenantPlace::Head(_) => f.write_str("a function of the head"),
            TenantPlace::Body(field) => write!(f, "a field of the body, up to {} bytes", field.max_bytes),
        }
    }
}
