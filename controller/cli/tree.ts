/** `holdfast tree`: a document and what it owns, by ownerReferences. */
import { condition, type Document, refText } from '../../resources/document.ts';
import { childrenOf, type Family, readFamily } from './family.ts';
import { parseTargets } from './references.ts';
import { table } from './terminal.ts';
import type { VerbDefinition } from './verb.ts';

export const command: VerbDefinition = {
  name: 'tree',
  summary: 'show a document with all that it owns',
  arguments: [
    { name: 'ref', description: 'such as app/wiki; all Apps without', variadic: true, complete: 'reference' },
  ],
  async run(context, args) {
    const roots: Document[] = [];
    for (const { kind, name } of parseTargets(args.length === 0 ? ['apps'] : args)) {
      if (name === undefined) roots.push(...(await context.client.list(kind.kind)).items);
      else roots.push(await context.client.get({ kind: kind.kind, name }));
    }
    const family = await readFamily(context);
    const rows = roots.flatMap((root) => rowsOf(root, family, '', ''));
    context.stdout.write(table(['NAME', 'READY', 'REASON'], rows));
    return 0;
  },
};

function rowsOf(document: Document, family: Family, lead: string, below: string): string[][] {
  const ready = condition(document, 'Ready');
  const children = childrenOf(document, family);
  return [
    [lead + refText(document), ready?.status ?? '', ready?.reason ?? ''],
    ...children.flatMap((child, index) => {
      const isLast = index === children.length - 1;
      return rowsOf(child, family, `${below}${isLast ? '└─ ' : '├─ '}`, `${below}${isLast ? '   ' : '│  '}`);
    }),
  ];
}
