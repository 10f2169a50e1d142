/// The subject of a [`Topic`](super::Topic): one category for the account's own topics, its
/// customers' and Connect's.
///
/// ```
/// use tower_webhook::dwolla::{Category, Topic};
///
/// assert_eq!(Topic::TransferFailed.category(), Some(Category::Transfer));
/// assert_eq!(Topic::CustomerTransferFailed.category(), Some(Category::Transfer));
/// assert_eq!(Topic::ConnectTransferReturned.category(), Some(Category::Transfer));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Category {
    /// The account's own standing.
    Account,
    /// A customer's standing.
    Customer,
    /// A customer's knowledge-based authentication: questions that only this person can answer.
    Kba,
    /// A customer's identity documents.
    Document,
    /// The owners of a business, and their documents.
    BeneficialOwner,
    /// Bank accounts and balances.
    FundingSource,
    /// The small amounts that verify a bank account.
    Microdeposits,
    /// The leg of a transfer between a bank and Dwolla.
    BankTransfer,
    /// Transfers.
    Transfer,
    /// Many transfers in one order.
    MassPayment,
    /// Connections to open-banking providers.
    Exchange,
    /// Amounts set apart within a balance.
    Label,
    /// Inquiries for a bank account's balance.
    Balance,
    /// Account statements.
    Statement,
    /// Connect's external parties.
    ExternalParty,
}
