import { memoryStore } from './api-memory-store.ts';
import { apiSuite } from './api-suite.ts';

apiSuite('the store in memory', async (kinds) => {
  const store = memoryStore(kinds);
  return { store, compact: async () => store.compact(store.version), end: () => store.close() };
});
