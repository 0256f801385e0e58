/**
 * What people give Holdfast and ask of it, through the real command line and controller on one host: bad input, the watched folder of
 * manifests, every way to look, and large and long connections through nginx.
 */
import { suite } from 'uvu';
import { telling } from '../support/before.ts';
import { startHost } from './host.ts';
import { type Desk, holdfast } from './input/desk.ts';
import { watchedFolder } from './input/folder.ts';
import { makeImage } from './input/image.ts';
import { refusals } from './input/refused.ts';
import { traffic } from './input/traffic.ts';
import { looking } from './input/verbs.ts';

const test = suite<Desk>('input');

test.before(
  telling(async (context) => {
    context.host = await startHost({ name: 'input' });
    await makeImage(context.host);
    await holdfast(context.host, ['up']);
  }),
);
test.after(async ({ host }) => {
  await host?.remove();
});

refusals(test);
looking(test);
traffic(test);
watchedFolder(test);

test.run();
