/// stub
#[derive(Debug)]
pub struct MemoryStore;
/// stub
#[derive(Debug)]
pub struct MemoryStoreBuilder;
