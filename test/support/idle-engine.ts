/** An engine that does nothing, for tests of the API alone. */
import type { EngineAccess } from '../../controller/api/dependencies.ts';

export const idleEngine: EngineAccess = {
  operations: () => [],
  observedAt: ({ status }) => status?.observedAt,
  cancel: () => 'idle',
  retry: () => true,
  why: () => Promise.reject(new Error('nobody looks at anything here')),
  moved: () => [],
};
