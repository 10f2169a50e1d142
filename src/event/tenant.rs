use std::{fmt, str::FromStr, sync::Arc};

use super::EventId;

/// The longest name, in bytes.
const MOST: usize = 64;

/// An event's owner, where many share one endpoint: 1 to 64 characters of visible ASCII, without
/// `/`.
///
/// ```
/// use tower_webhook::event::{EventId, Tenant};
///
/// let acme = Tenant::new("acme")?;
/// assert_eq!(acme.as_str(), "acme");
///
/// let refused = Tenant::new("acme/eu").unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "the tenant's name has a character at position 4 that no name has; \
///      expected 1 to 64 characters of visible ASCII without `/`"
/// );
///
/// // the id under which a store keeps an event of this tenant, for an operator's verbs
/// let id = acme.id_of(&EventId::new("evt_1")?);
/// assert_eq!(id.as_str(), "acme/evt_1");
/// assert_eq!(Tenant::of_id(&id), Some(acme));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// Takes a name after checking it.
    ///
    /// # Errors
    /// The name is empty, longer than 64 bytes, or has a character in it that is `/`, a space, a
    /// control character or no ASCII.
    pub fn new(name: impl AsRef<str>) -> Result<Self, TenantError> {
        let name = name.as_ref();
        if name.is_empty() {
            return Err(TenantError(Wrong::Empty));
        }
        if name.len() > MOST {
            return Err(TenantError(Wrong::TooLong(name.len())));
        }
        let is_odd = |letter: char| !letter.is_ascii_graphic() || letter == '/';
        match name.chars().position(is_odd) {
            Some(position) => Err(TenantError(Wrong::Letter(position))),
            None => Ok(Self(name.into())),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id under which a store keeps this tenant's event: `{tenant}/{id}`, or
    /// `{tenant}//{digest}` for an id that is too long for that or begins with `/`. Ids never
    /// collide between tenants, nor between events of one tenant.
    #[must_use]
    pub fn id_of(&self, id: &EventId) -> EventId {
        id.scoped_to(&self.0)
    }

    /// The tenant whose event a store keeps under this id, if a layer with tenants has stored it:
    /// the part before the first `/`.
    #[must_use]
    pub fn of_id(id: &EventId) -> Option<Self> {
        let (tenant, _) = id.as_str().split_once('/')?;
        Self::new(tenant).ok()
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Tenant {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tenant {
    type Err = TenantError;

    fn from_str(name: &str) -> Result<Self, TenantError> {
        Self::new(name)
    }
}

impl TryFrom<&str> for Tenant {
    type Error = TenantError;

    fn try_from(name: &str) -> Result<Self, TenantError> {
        Self::new(name)
    }
}

impl TryFrom<String> for Tenant {
    type Error = TenantError;

    fn try_from(name: String) -> Result<Self, TenantError> {
        Self::new(name)
    }
}

/// Why a text is no [`Tenant`]. It does not repeat the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantError(Wrong);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wrong {
    Empty,
    TooLong(usize),
    Letter(usize),
}

impl fmt::Display for TenantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the tenant's name ")?;
        match self.0 {
            Wrong::Empty => f.write_str("is empty")?,
            Wrong::TooLong(bytes) => write!(f, "has {bytes} bytes")?,
            Wrong::Letter(position) => write!(f, "has a character at position {position} that no name has")?,
        }
        f.write_str("; expected 1 to 64 characters of visible ASCII without `/`")
    }
}

impl std::error::Error for TenantError {}
