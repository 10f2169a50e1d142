mod api;
mod delivering;
mod events;
mod paging;
mod refusals;
