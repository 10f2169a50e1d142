//! The sources of Dwolla, GitHub and Stripe, over the sandbox.
