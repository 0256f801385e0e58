/**
 * Records in a real zone: the controller with its real DNS drivers, on a Knot that is a process of this test. Containers and nginx
 * are fakes, so that there can be 200 Apps. What is compared is the whole zone, as a transfer gives it.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../controller/clock.ts';
import { createLookup } from '../../reconcilers/drivers/dns/lookup.ts';
import { createDns } from '../../reconcilers/drivers/dns/zones.ts';
import { createFakeProbe } from '../../reconcilers/drivers/probe/fake.ts';
import { API_VERSION, condition, type Manifest } from '../../resources/document.ts';
import { VirtualClock } from '../support/clock.ts';
import { IMAGE, type RunningController, startController } from '../support/controller.ts';
import { type Knot, knotMissing, startKnot } from '../support/knot.ts';
import { ROOT } from '../support/toys.ts';
import { until } from './until.ts';

const RECORDS = `
theirs A 198.51.100.1
@ TXT "google-site-verification=abc"
@ MX 10 mail.example.net.
_dmarc TXT "v=DMARC1; p=none"
`;

interface Context {
  knot: Knot;
  controller: RunningController;
}

const document = (kind: string, name: string, spec: Record<string, unknown>): Manifest => ({
  apiVersion: API_VERSION,
  kind,
  metadata: { name },
  spec,
});
const app = (name: string, spec: Record<string, unknown> = {}) =>
  document('App', name, { image: IMAGE, port: 8080, domain: 'example.com', ...spec });

async function start(context: Context): Promise<void> {
  context.knot = await startKnot({ records: RECORDS });
  const clock = new VirtualClock();
  const probe = {
    ...createFakeProbe({ clock }),
    ask: async () => ({ ok: true, status: 200, message: 'status 200' }),
  };
  const drivers = { dns: createDns({ clock: systemClock }), lookup: createLookup({ clock: systemClock }) };
  context.controller = await startController({ world: { clock, probe }, drivers });
  await context.controller.apply(
    document('Platform', 'platform', { http: { addresses: ['0.0.0.0'] } }),
    document('Secret', 'knot', { stringData: context.knot.credentials }),
    document('Domain', 'example.com', {
      provider: 'rfc2136',
      credentials: { secret: 'knot' },
      nameServers: [context.knot.nameServer],
      tls: { issuer: 'internal' },
    }),
  );
}

/** The clock of the controller goes on with the real one while real answers are waited for. */
async function becomes(
  what: string,
  { controller }: Context,
  isSo: () => boolean | Promise<boolean>,
): Promise<void> {
  const turn = async () => {
    await controller.pass(500);
    return isSo();
  };
  await until(what, turn, { seconds: 90, everyMilliseconds: 20 });
}

const reason = ({ controller }: Context, kind: string, name: string) => controller.ready(kind, name).reason;
const remove = ({ controller }: Context, kind: string, name: string) =>
  controller.store.write([{ verb: 'delete', reference: { kind, name } }], ROOT);

const missing = knotMissing();
if (missing !== undefined) console.log(`SKIP: ${missing}`);
else {
  const test = suite<Context>('records on Knot');
  test.before.each(start);
  test.after.each(async ({ controller, knot }) => {
    await controller.close();
    await knot.stop();
  });

  test('an App’s record is in the zone and Ready; without the App the zone is as before', async (context) => {
    const { knot, controller } = context;
    const before = await knot.dump();
    await controller.apply(app('wiki', { aliases: ['example.com', 'www.example.com'] }));
    await becomes('the App serves', context, () => reason(context, 'App', 'wiki') === 'Serving');
    const during = await knot.dump();
    for (const name of ['wiki.example.com', 'example.com', 'www.example.com'])
      assert.match(
        during,
        new RegExp(`^${name.replaceAll('.', '\\.')}\\.\\s+300\\s+IN\\s+A\\s+192\\.0\\.2\\.1$`, 'm'),
      );
    await remove(context, 'App', 'wiki');
    await becomes('its records are gone', context, async () => (await knot.dump()) === before);
    await becomes(
      'nothing is left of them',
      context,
      () => controller.store.list('DNSRecord').items.length === 0,
    );
  });

  test('200 Apps go out in at most 5 updates; looking again changes nothing', async (context) => {
    const { knot, controller } = context;
    await becomes(
      'the Domain is verified',
      context,
      () => reason(context, 'Domain', 'example.com') === 'Verified',
    );
    const before = await knot.dump();
    const first = Number(await knot.serial());
    const names = Array.from({ length: 200 }, (_, index) => `app-${index}`);
    await controller.apply(...names.map((name) => app(name)));
    await becomes('all serve', context, () =>
      names.every((name) => reason(context, 'App', name) === 'Serving'),
    );
    const second = Number(await knot.serial());
    console.log(`200 Apps: ${second - first} updates of the zone`);
    assert.ok(second - first <= 5, `${second - first} updates`);
    const { version } = controller.store;
    await controller.core.engine.resync();
    await becomes('all was looked at', context, () => controller.core.engine.isIdle);
    assert.is(Number(await knot.serial()), second);
    assert.is(controller.store.version, version);
    await controller.store.write(
      names.map((name) => ({ verb: 'delete', reference: { kind: 'App', name } })),
      ROOT,
    );
    await becomes('all are gone', context, async () => (await knot.dump()) === before);
    console.log(`and gone: ${Number(await knot.serial()) - second} updates`);
    assert.ok(Number(await knot.serial()) - second <= 5);
  });

  test('a record that somebody made by hand is left, told, and taken over with adopt', async (context) => {
    const { knot, controller } = context;
    const before = await knot.dump();
    await controller.apply(app('theirs'));
    await becomes('it is told', context, () => reason(context, 'App', 'theirs') === 'DNSNotReady');
    await becomes('it says why', context, () =>
      /198\.51\.100\.1/.test(controller.ready('App', 'theirs').message),
    );
    assert.is(await knot.dump(), before);
    await controller.apply(app('theirs', { adopt: true }));
    await becomes('the App serves', context, () => reason(context, 'App', 'theirs') === 'Serving');
    assert.match(await knot.dump(), /^theirs\.example\.com\.\s+300\s+IN\s+A\s+192\.0\.2\.1$/m);
  });

  test('a key that the server does not take is a condition; the right one repairs it by itself', async (context) => {
    const { knot, controller } = context;
    const wrong = { ...knot.credentials, key: Buffer.from('wrong').toString('base64') };
    await controller.apply(document('Secret', 'knot', { stringData: wrong }));
    await becomes('it is told', context, () => reason(context, 'Domain', 'example.com') === 'AccessDenied');
    assert.match(controller.ready('Domain', 'example.com').message, /BADSIG.*secret\/knot/);
    await controller.apply(document('Secret', 'knot', { stringData: knot.credentials }));
    await becomes('it is verified', context, () => reason(context, 'Domain', 'example.com') === 'Verified');
  });

  test('a zone that the server does not have is a condition', async (context) => {
    const { controller } = context;
    await controller.apply(
      document('Domain', 'example.org', {
        provider: 'rfc2136',
        credentials: { secret: 'knot' },
        nameServers: [context.knot.nameServer],
      }),
    );
    await becomes('it is told', context, () => reason(context, 'Domain', 'example.org') === 'ZoneNotFound');
  });

  test('a name server that hangs takes no App down, and all goes on when it is back', async (context) => {
    const { knot, controller } = context;
    await controller.apply(app('wiki'));
    await becomes('the App serves', context, () => reason(context, 'App', 'wiki') === 'Serving');
    knot.freeze();
    await controller.apply(app('blog'), app('local', { domain: 'localhost' }));
    await becomes('what is local serves', context, () => reason(context, 'App', 'local') === 'Serving');
    assert.is(reason(context, 'App', 'wiki'), 'Serving');
    assert.not.equal(reason(context, 'App', 'blog'), 'Serving');
    knot.thaw();
    await becomes('the new one serves', context, () => reason(context, 'App', 'blog') === 'Serving');
    const record = controller.store
      .list('DNSRecord')
      .items.find(({ spec }) => spec['name'] === 'blog.example.com');
    assert.is(record && condition(record, 'Ready')?.status, 'True');
  });

  test.run();
}
