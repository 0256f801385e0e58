/** `holdfast get operations`: what runs, waits or is tried again. There are no documents of it: it is what the engine does now. */
import { duration } from '../../resources/columns.ts';
import { toYaml } from './output.ts';
import { table } from './terminal.ts';
import type { CliContext } from './verb.ts';

export const OPERATION_WORDS: readonly string[] = ['operations', 'operation', 'ops'];

export async function showOperations(
  context: CliContext,
  format: string,
  noHeaders: boolean,
): Promise<number> {
  const items = await context.client.operations();
  if (format === 'json') context.stdout.write(`${JSON.stringify({ items }, null, 2)}\n`);
  else if (format === 'yaml') context.stdout.write(await toYaml([{ items }]));
  else if (format === 'name')
    context.stdout.write(items.map(({ kind, key }) => `${kind.toLowerCase()}/${key}\n`).join(''));
  else if (items.length === 0) context.stderr.write('nothing runs and nothing waits\n');
  else {
    const ago = (time: string | undefined) =>
      time === undefined ? '' : duration(context.now() - Date.parse(time));
    const left = (time: string | undefined) =>
      time === undefined ? '' : duration(Date.parse(time) - context.now());
    const rows = items.map((item) => [
      `${item.kind.toLowerCase()}/${item.key}`,
      item.state,
      item.step ?? '',
      ago(item.since),
      left(item.until),
      item.cause ?? '',
      `${item.percent === undefined ? '' : `${item.percent}% `}${item.message ?? ''}`,
    ]);
    const headers = ['FOR', 'STATE', 'STEP', 'SINCE', 'ENDS IN', 'CAUSE', 'MESSAGE'];
    context.stdout.write(table(headers, rows, noHeaders));
  }
  return 0;
}
