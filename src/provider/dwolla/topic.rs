use std::{convert::Infallible, fmt, str::FromStr};

use serde::{Serialize, Serializer, de};

use super::Category;
use crate::event::{TopicPattern, string_field};

/// One list, so that a topic's variant, text, category and resource cannot drift apart.
macro_rules! topics {
    ($($category:ident, $resource:expr => {
        $($variant:ident = $text:literal, $meaning:literal;)+
    })+) => {
        /// The `topic` of an event, compared exactly as Dwolla writes it.
        ///
        /// The variants are the topics that Dwolla's documents name as current: 73 in the list of
        /// events, four more on other pages, ten of Dwolla Connect. A variant is spelled like its
        /// topic (`customer_transfer_created` is `CustomerTransferCreated`, the main account's
        /// `transfer_created` is `TransferCreated`). Connect's topics, which are written with
        /// colons, begin with `Connect` (`transfer:created` is `ConnectTransferCreated`).
        ///
        /// Dwolla adds topics at any time. Every other text is [`Topic::Unknown`] with that text:
        /// topics that were renamed or removed, and names that are found in code but never sent,
        /// such as `customer_transfer_returned`.
        ///
        /// ```
        /// use tower_webhook::dwolla::Topic;
        ///
        /// let topic = Topic::from("customer_transfer_completed");
        /// assert_eq!(topic, Topic::CustomerTransferCompleted);
        /// assert_eq!(topic.as_str(), "customer_transfer_completed");
        ///
        /// // a bank's late return is `transfer_failed`; there is no topic of this name
        /// let topic = Topic::from("transfer_returned");
        /// assert!(matches!(topic, Topic::Unknown(_)));
        /// assert_eq!(topic.to_string(), "transfer_returned");
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Topic {
            $($(
                #[doc = concat!("`", $text, "`: ", $meaning)]
                $variant,
            )+)+
            /// A text that this version has no variant for.
            Unknown(UnknownTopic),
        }

        impl Topic {
            /// Every topic that has a variant, grouped as Dwolla's list is.
            ///
            /// ```
            /// use tower_webhook::dwolla::{Category, Topic};
            ///
            /// let transfer = Some(Category::Transfer);
            /// let of_transfers = Topic::all().iter().filter(|topic| topic.category() == transfer);
            /// assert_eq!(of_transfers.count(), 13);
            /// ```
            #[must_use]
            pub fn all() -> &'static [Topic] {
                static ALL: &[Topic] = &[$($(Topic::$variant,)+)+];
                ALL
            }

            /// The topic as Dwolla writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $($(Self::$variant => $text,)+)+
                    Self::Unknown(topic) => topic.as_str(),
                }
            }

            /// The topic's category; `None` for an unknown topic.
            ///
            /// ```
            /// use tower_webhook::dwolla::{Category, Topic};
            ///
            /// let failed = Topic::CustomerBankTransferFailed;
            /// assert_eq!(failed.category(), Some(Category::BankTransfer));
            /// assert_eq!(Topic::from("not_yet_known").category(), None);
            /// ```
            #[must_use]
            pub fn category(&self) -> Option<Category> {
                match self {
                    $($(Self::$variant)|+ => Some(Category::$category),)+
                    Self::Unknown(_) => None,
                }
            }

            /// The collection that the event's `resource` link points into, which is not always
            /// what the name suggests.
            ///
            /// `None` where no published example shows it, and for unknown topics. This is what to
            /// expect; what an event really points at is its
            /// [`resource_href`](super::Event::resource_href).
            ///
            /// ```
            /// use tower_webhook::dwolla::Topic;
            ///
            /// let needed = Topic::CustomerVerificationDocumentNeeded;
            /// assert_eq!(needed.resource(), Some("customers"));
            /// let uploaded = Topic::CustomerVerificationDocumentUploaded;
            /// assert_eq!(uploaded.resource(), Some("documents"));
            /// assert_eq!(Topic::StatementCreated.resource(), None);
            /// ```
            #[must_use]
            pub fn resource(&self) -> Option<&'static str> {
                match self {
                    $($(Self::$variant)|+ => $resource,)+
                    Self::Unknown(_) => None,
                }
            }

            fn known(text: &str) -> Option<Self> {
                match text {
                    $($($text => Some(Self::$variant),)+)+
                    _ => None,
                }
            }
        }
    };
}

topics! {
    Account, Some("accounts") => {
        AccountSuspended = "account_suspended", "The account was suspended.";
        AccountActivated = "account_activated", "The account was activated again.";
    }
    FundingSource, Some("funding-sources") => {
        FundingSourceAdded = "funding_source_added", "A funding source was added.";
        FundingSourceRemoved = "funding_source_removed", "A funding source was removed.";
        FundingSourceVerified = "funding_source_verified", "A funding source was verified.";
        FundingSourceUnverified = "funding_source_unverified", "A funding source is no longer verified.";
        FundingSourceNegative = "funding_source_negative", "A balance went below zero.";
        FundingSourceUpdated = "funding_source_updated", "A funding source was changed.";
    }
    Microdeposits, Some("funding-sources") => {
        MicrodepositsAdded = "microdeposits_added", "Micro-deposits to a bank account were begun.";
        MicrodepositsFailed = "microdeposits_failed", "Micro-deposits did not reach a bank account.";
        MicrodepositsCompleted = "microdeposits_completed", "Micro-deposits reached a bank account.";
        MicrodepositsMaxattempts = "microdeposits_maxattempts", "Micro-deposits to a bank account were confirmed wrongly too often.";
    }
    BankTransfer, Some("transfers") => {
        BankTransferCreated = "bank_transfer_created", "The bank leg of a transfer was created: a transfer with an id of its own.";
        BankTransferCreationFailed = "bank_transfer_creation_failed", "The bank leg of a transfer could not be created.";
        BankTransferCancelled = "bank_transfer_cancelled", "The bank leg of a transfer was cancelled.";
        BankTransferFailed = "bank_transfer_failed", "The bank leg of a transfer failed.";
        BankTransferCompleted = "bank_transfer_completed", "The bank leg of a transfer went through.";
    }
    Transfer, Some("transfers") => {
        TransferCreated = "transfer_created", "A transfer was created.";
        TransferCancelled = "transfer_cancelled", "A transfer was cancelled.";
        TransferFailed = "transfer_failed", "A transfer failed; it may have been completed before.";
        TransferCompleted = "transfer_completed", "A transfer went through; a late return may still fail it.";
    }
    MassPayment, Some("mass-payments") => {
        MassPaymentCreated = "mass_payment_created", "A mass payment was created.";
        MassPaymentCompleted = "mass_payment_completed", "A mass payment was processed; its items may have failed.";
        MassPaymentCancelled = "mass_payment_cancelled", "A mass payment was cancelled.";
    }
    FundingSource, Some("funding-sources") => {
        CustomerFundingSourceAdded = "customer_funding_source_added", "A customer's funding source was added.";
        CustomerFundingSourceRemoved = "customer_funding_source_removed", "A customer's funding source was removed.";
        CustomerFundingSourceVerified = "customer_funding_source_verified", "A customer's funding source was verified.";
        CustomerFundingSourceUnverified = "customer_funding_source_unverified", "A customer's funding source is no longer verified.";
        CustomerFundingSourceNegative = "customer_funding_source_negative", "A customer's balance went below zero.";
        CustomerFundingSourceUpdated = "customer_funding_source_updated", "A customer's funding source was changed.";
    }
    Microdeposits, Some("funding-sources") => {
        CustomerMicrodepositsAdded = "customer_microdeposits_added", "Micro-deposits to a customer's bank account were begun.";
        CustomerMicrodepositsFailed = "customer_microdeposits_failed", "Micro-deposits did not reach a customer's bank account.";
        CustomerMicrodepositsCompleted = "customer_microdeposits_completed", "Micro-deposits reached a customer's bank account.";
        CustomerMicrodepositsMaxattempts = "customer_microdeposits_maxattempts", "Micro-deposits to a customer's bank account were confirmed wrongly too often.";
    }
    BankTransfer, Some("transfers") => {
        CustomerBankTransferCreated = "customer_bank_transfer_created", "The bank leg of a customer's transfer was created: a transfer with an id of its own.";
        CustomerBankTransferCreationFailed = "customer_bank_transfer_creation_failed", "The bank leg of a customer's transfer could not be created.";
        CustomerBankTransferCancelled = "customer_bank_transfer_cancelled", "The bank leg of a customer's transfer was cancelled.";
        CustomerBankTransferFailed = "customer_bank_transfer_failed", "The bank leg of a customer's transfer failed.";
        CustomerBankTransferCompleted = "customer_bank_transfer_completed", "The bank leg of a customer's transfer went through.";
    }
    Transfer, Some("transfers") => {
        CustomerTransferCreated = "customer_transfer_created", "A customer's transfer was created.";
        CustomerTransferCancelled = "customer_transfer_cancelled", "A customer's transfer was cancelled.";
        CustomerTransferFailed = "customer_transfer_failed", "A customer's transfer failed; it may have been completed before.";
        CustomerTransferCompleted = "customer_transfer_completed", "A customer's transfer went through; a late return may still fail it.";
    }
    MassPayment, Some("mass-payments") => {
        CustomerMassPaymentCreated = "customer_mass_payment_created", "A customer's mass payment was created.";
        CustomerMassPaymentCompleted = "customer_mass_payment_completed", "A customer's mass payment was processed; its items may have failed.";
        CustomerMassPaymentCancelled = "customer_mass_payment_cancelled", "A customer's mass payment was cancelled.";
    }
    Statement, None => {
        StatementCreated = "statement_created", "A statement was made.";
    }
    Customer, Some("customers") => {
        CustomerCreated = "customer_created", "A customer was created.";
        CustomerVerified = "customer_verified", "A customer was verified.";
        CustomerReverificationNeeded = "customer_reverification_needed", "A customer's data must be corrected and sent again.";
        CustomerSuspended = "customer_suspended", "A customer was suspended.";
        CustomerActivated = "customer_activated", "A customer was activated again.";
        CustomerDeactivated = "customer_deactivated", "A customer was deactivated.";
    }
    Kba, Some("customers") => {
        CustomerKbaVerificationNeeded = "customer_kba_verification_needed", "A customer must answer questions about themselves.";
        CustomerKbaVerificationFailed = "customer_kba_verification_failed", "A customer answered the questions wrongly.";
        CustomerKbaVerificationPassed = "customer_kba_verification_passed", "A customer answered the questions rightly.";
    }
    Document, Some("customers") => {
        CustomerVerificationDocumentNeeded = "customer_verification_document_needed", "A customer must hand in a document; points at the customer.";
    }
    Document, Some("documents") => {
        CustomerVerificationDocumentUploaded = "customer_verification_document_uploaded", "A customer's document was handed in; points at it.";
        CustomerVerificationDocumentFailed = "customer_verification_document_failed", "A customer's document was refused; points at it.";
        CustomerVerificationDocumentApproved = "customer_verification_document_approved", "A customer's document was accepted; points at it.";
    }
    Customer, Some("customers") => {
        CustomerVerificationPendingReview = "customer_verification_pending_review", "A customer's verification is under review.";
        CustomerAddressVerificationFailed = "customer_address_verification_failed", "A customer's address could not be verified.";
    }
    BeneficialOwner, Some("beneficial-owners") => {
        CustomerBeneficialOwnerCreated = "customer_beneficial_owner_created", "A beneficial owner was added.";
        CustomerBeneficialOwnerRemoved = "customer_beneficial_owner_removed", "A beneficial owner was removed.";
        CustomerBeneficialOwnerVerified = "customer_beneficial_owner_verified", "A beneficial owner was verified.";
        CustomerBeneficialOwnerReverificationNeeded = "customer_beneficial_owner_reverification_needed", "A beneficial owner's data must be corrected and sent again.";
        CustomerBeneficialOwnerVerificationDocumentNeeded = "customer_beneficial_owner_verification_document_needed", "A beneficial owner must hand in a document; points at the owner.";
    }
    BeneficialOwner, Some("documents") => {
        CustomerBeneficialOwnerVerificationDocumentUploaded = "customer_beneficial_owner_verification_document_uploaded", "A beneficial owner's document was handed in; points at it.";
        CustomerBeneficialOwnerVerificationDocumentFailed = "customer_beneficial_owner_verification_document_failed", "A beneficial owner's document was refused; points at it.";
        CustomerBeneficialOwnerVerificationDocumentApproved = "customer_beneficial_owner_verification_document_approved", "A beneficial owner's document was accepted; points at it.";
    }
    Exchange, None => {
        CustomerExchangeReauthRequired = "customer_exchange_reauth_required", "A customer must give an open-banking connection their consent anew.";
    }
    FundingSource, None => {
        CustomerFundingSourceRtpEnabled = "customer_funding_source_rtp_enabled", "A customer's bank account can receive real-time payments.";
        CustomerFundingSourceRtpDisabled = "customer_funding_source_rtp_disabled", "A customer's bank account can no longer receive real-time payments.";
    }
    Balance, None => {
        CustomerBalanceInquiryCompleted = "customer_balance_inquiry_completed", "The balance of a customer's bank account was looked up.";
    }
    Label, None => {
        CustomerLabelCreated = "customer_label_created", "A label was made for part of a customer's balance.";
        CustomerLabelLedgerEntryCreated = "customer_label_ledger_entry_created", "The amount under a label changed.";
        CustomerLabelRemoved = "customer_label_removed", "A label was removed.";
    }
    FundingSource, Some("funding-sources") => {
        ConnectFundingSourceCreated = "funding_source:created", "A funding source was added.";
        ConnectFundingSourceRemoved = "funding_source:removed", "A funding source was removed.";
        ConnectExternalPartyFundingSourceCreated = "external_party.funding_source:created", "A funding source of an external party was added.";
        ConnectExternalPartyFundingSourceRemoved = "external_party.funding_source:removed", "A funding source of an external party was removed.";
    }
    ExternalParty, Some("external-parties") => {
        ConnectExternalPartyCreated = "external_party:created", "An external party was created.";
    }
    Transfer, Some("transfers") => {
        ConnectTransferCreated = "transfer:created", "A transfer was created.";
        ConnectTransferPending = "transfer:pending", "A transfer waits to be processed.";
        ConnectTransferProcessed = "transfer:processed", "A transfer was processed.";
        ConnectTransferFailed = "transfer:failed", "A transfer failed.";
        ConnectTransferReturned = "transfer:returned", "A transfer came back.";
    }
}

impl Topic {
    /// Whether the event is about a customer of the account, rather than the account itself: its
    /// text begins with `customer_`. This also works for unknown topics. Connect's topics have no
    /// such prefix.
    ///
    /// ```
    /// use tower_webhook::dwolla::Topic;
    ///
    /// assert!(Topic::CustomerTransferCreated.is_customer());
    /// assert!(!Topic::TransferCreated.is_customer());
    /// assert!(Topic::from("customer_not_yet_known").is_customer());
    /// ```
    #[must_use]
    pub fn is_customer(&self) -> bool {
        self.as_str().starts_with("customer_")
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<&str> for Topic {
    fn from(text: &str) -> Self {
        Self::known(text).unwrap_or_else(|| Self::Unknown(UnknownTopic(text.into())))
    }
}

impl From<String> for Topic {
    fn from(text: String) -> Self {
        Self::known(&text).unwrap_or_else(|| Self::Unknown(UnknownTopic(text.into())))
    }
}

impl FromStr for Topic {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

/// A topic's text that this version has no variant for.
///
/// It comes from parsing only. So code cannot name a topic as unknown that a later version knows,
/// and naming it later breaks nobody. Compare by [`Topic::as_str`], or make the topic from its
/// text.
///
/// ```
/// use tower_webhook::dwolla::Topic;
///
/// let Topic::Unknown(topic) = Topic::from("customer_not_yet_known") else {
///     panic!("known by now")
/// };
/// assert_eq!(topic.as_str(), "customer_not_yet_known");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UnknownTopic(Box<str>);

impl UnknownTopic {
    /// The topic as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UnknownTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for UnknownTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for Topic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> de::Deserialize<'de> for Topic {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        string_field(deserializer, "topic", "a string", |text| {
            Ok::<_, Infallible>(text.into())
        })
    }
}

impl From<Topic> for TopicPattern {
    fn from(topic: Topic) -> Self {
        Self::from(topic.as_str().to_owned())
    }
}
