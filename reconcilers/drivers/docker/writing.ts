/**
 * The writing half of the real driver. Called by createDocker. Every verb may be made twice, refuses what does not carry
 * our mark, and waits for its turn: only so many writes run at once.
 */
import type Dockerode from 'dockerode';
import { type Clock, delay } from '../../../controller/clock.ts';
import { DriverError } from '../error.ts';
import type { Semaphore } from '../semaphore.ts';
import { createContainer, removeContainer } from './containers.ts';
import { CALL_SECONDS, type Context } from './context.ts';
import { engineText, statusOf } from './errors.ts';
import { runExec } from './exec.ts';
import { removeImage } from './images.ts';
import type { DockerWriting } from './index.ts';
import { createNetwork, removeNetwork } from './networks.ts';
import { shortId } from './ownership.ts';
import { runPull } from './pull.ts';
import { findImage } from './reading.ts';
import { parseReference, requireImageName } from './reference.ts';
import { removeLeftVolume } from './volumes.ts';

type Container = ReturnType<Dockerode['getContainer']>;

export function createWriting(context: Context): DockerWriting {
  const { connection, clock, ownership, writes, pulls, stops } = context;

  /** A write to a container of ours. `gone` is what a container that does not exist means. */
  function change(
    verb: string,
    id: string,
    run: (container: Container, signal: AbortSignal) => Promise<unknown>,
    options: { gone?: 'success'; timeoutSeconds?: number; turns?: Semaphore } = {},
  ): Promise<void> {
    const about = `${verb} container ${shortId(id)}`;
    const { timeoutSeconds, turns = writes } = options;
    // Before creations that wait: what is half done is finished first.
    return turns.runSoon(async () => {
      await ownership.require(id);
      try {
        await connection.call(
          about,
          (docker, signal) => run(docker.getContainer(id), signal),
          timeoutSeconds === undefined ? {} : { timeoutSeconds },
        );
      } catch (caught) {
        if (options.gone === 'success' && caught instanceof DriverError && caught.code === 'notFound') return;
        throw caught;
      }
    });
  }

  return {
    createNetwork: (spec) => writes.run(() => createNetwork(connection, spec)),
    removeNetwork: (id) => writes.run(() => removeNetwork(connection, id)),

    pull(reference, options) {
      const { text, registry = '' } = parseReference(reference);
      return pulls(registry).run(async () => {
        requireImageName(reference);
        await runPull({ connection, clock }, reference, options);
        const image = await findImage(connection, text);
        if (image) return image;
        throw new DriverError(
          'failed',
          `pulling ${text}: Docker says that it is there, but does not find it`,
        );
      }, options.signal);
    },

    async createContainer(spec) {
      // Asked before the turn is waited for, so that those who wait share the answer.
      const volumes = spec.mounts.some(({ type }) => type === 'volume') ? await context.volumes() : new Map();
      return writes.run(() => createContainer(context, spec, volumes));
    },

    start: (id) =>
      change('starting', id, (container, abortSignal) => unlessAlready(container.start({ abortSignal }))),

    stop: (id, graceSeconds) =>
      change(
        'stopping',
        id,
        (container, abortSignal) => unlessAlready(container.stop({ t: graceSeconds, abortSignal })),
        { gone: 'success', timeoutSeconds: graceSeconds + CALL_SECONDS, turns: stops },
      ),

    restart: (id, graceSeconds) =>
      change(
        'restarting',
        id,
        (container, abortSignal) =>
          container.restart({ t: graceSeconds, abortSignal } as Parameters<Container['restart']>[0]),
        { timeoutSeconds: graceSeconds + CALL_SECONDS, turns: stops },
      ),

    remove: (id) => writes.runSoon(() => removeContainer(context, id)),

    rename: (id, name) =>
      change('renaming', id, async (container, abortSignal) => {
        try {
          await container.rename({ name, abortSignal });
        } catch (caught) {
          const now = await container.inspect({ abortSignal }).catch(() => undefined);
          if (now?.Name !== `/${name}`) throw caught;
        }
      }),

    unpause: (id) =>
      change('unpausing', id, async (container, abortSignal) => {
        try {
          await container.unpause({ abortSignal });
        } catch (caught) {
          if (!/is not paused|cannot resume a running process/i.test(engineText(caught))) throw caught;
        }
      }),

    async exec(id, options) {
      await ownership.require(id);
      return runExec({ connection, clock }, id, options);
    },

    setRestartPolicy: (id, policy) =>
      change('changing the restart policy of', id, (container, abortSignal) =>
        untilSettled(clock, abortSignal, () =>
          container.update({ RestartPolicy: { Name: policy }, abortSignal }),
        ),
      ),

    async removeVolume(name) {
      const volumes = await context.volumes();
      return writes.runSoon(() => removeLeftVolume(connection, name, volumes));
    },

    removeImage: (id, reference) => writes.run(() => removeImage(connection, id, reference)),
  };
}

/** A container that ended a moment ago cannot be changed until the engine has noticed; then it can. Ends with the call. */
async function untilSettled<T>(clock: Clock, signal: AbortSignal, run: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await run();
    } catch (caught) {
      if (
        !/cannot update a (stopped|deleted) |task \w+ not found|process already finished/i.test(
          engineText(caught),
        )
      )
        throw caught;
      await delay(clock, 50, signal);
    }
  }
}

/** 304: it runs, or stands still, already. */
async function unlessAlready(answer: Promise<unknown>): Promise<void> {
  try {
    await answer;
  } catch (caught) {
    if (statusOf(caught) !== 304) throw caught;
  }
}
