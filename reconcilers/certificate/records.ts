/** Whether a challenge's record is answered by the zone's name servers. Pure. */
import { condition, type Document } from '../../resources/document.ts';

/** Why the authority would not find what is published at this name yet; undefined when it would. */
export function recordObstacle(
  records: readonly Document[],
  name: string,
): { reason: string; message: string } | undefined {
  const record = records.find(({ spec }) => spec['name'] === name);
  const ready = record && condition(record, 'Ready');
  const isOfThisGeneration = ready?.observedGeneration === record?.metadata.generation;
  if (ready?.status === 'True' && isOfThisGeneration && !record?.metadata.deletionTimestamp) return undefined;
  const why = ready && isOfThisGeneration ? ready.message : 'it was not published yet';
  return { reason: 'RecordNotReady', message: `waits until the name servers answer ${name}: ${why}` };
}
