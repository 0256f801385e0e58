/** `holdfast suspend`: documents, a kind or all are looked at and planned, but nothing is changed for them. */
import { pauseVerb } from './pause-verb.ts';

export const command = pauseVerb({
  name: 'suspend',
  summary: 'look at documents, but change nothing for them',
  description:
    'Until resume: observed and planned, not changed. Drift is not repaired. A kind alone, such as apps, is all of it, also what is made later.',
  done: 'suspended',
  suspend: true,
  waits: false,
});
