/**
 * The container driver against later Docker Engines than the machine's own, each in a host of its Debian. Takes minutes and packages of
 * other Debians, so it runs when it is asked for: `npm test -- engines`.
 */
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { telling } from '../support/before.ts';
import { type Host, project, startHost } from './host.ts';

const engines = [
  { flavour: 'trixie', least: 26 },
  { flavour: 'forky', least: 28 },
] as const;

/** Words that choose test files, where somebody gave some. */
const asked = (process.env['HOLDFAST_TEST_WORDS'] ?? '').split(' ').some((word) => /engine/.test(word));

if (!asked) console.log('SKIP: engines: later Docker engines take minutes; npm test -- engines runs them');
else {
  for (const { flavour, least } of engines) {
    const test = suite<{ host: Host }>(`the Docker of ${flavour}`);

    test.before(
      telling(async (context) => {
        context.host = await startHost({ name: `engine-${flavour}`, flavour });
        await context.host.copyIn(fileURLToPath(new URL('../../test', import.meta.url)), `${project}/`);
      }),
    );
    test.after(async ({ host }) => {
      await host?.remove();
    });

    test('the driver does all that it promises', async ({ host }) => {
      const version = await host.sh("docker version --format '{{.Server.Version}} {{.Server.APIVersion}}'");
      assert.ok(Number(version.split('.')[0]) >= least, version);
      const script = `cd ${project} && node --import tsx test/conformance/docker-real.test.ts 2>&1`;
      const { code, stdout } = await host.exec(['sh', '-c', script], { timeoutSeconds: 300 });
      assert.is(code, 0, stdout.slice(-6000));
      console.log(`\nDocker ${version}: ${/Passed: +(\d+)/.exec(stdout)?.[1] ?? '?'} passed`);
      assert.not.match(stdout, /^SKIP/m);
    });

    test.run();
  }
}
