/**
 * The reading half of the real driver: lists, inspects, logs. Called by createDocker. Each verb is one call to the engine
 * (logs: two), and nothing is kept: cached.ts does that.
 */
import type { Readable } from 'node:stream';
import type Dockerode from 'dockerode';
import type { Connection } from './connection.ts';
import type { Context } from './context.ts';
import { driverError } from './errors.ts';
import { type DockerReading, type ImageDetails, LABEL } from './index.ts';
import { logQuery, readLines } from './logs.ts';
import { isOurs, shortId, unlessMissing } from './ownership.ts';
import {
  type InspectedContainer,
  type InspectedImage,
  type ListedContainer,
  type ListedNetwork,
  readContainer,
  readImage,
  readNetwork,
  readSummary,
} from './read.ts';
import { requireImageName, requireName } from './reference.ts';
import { type DiskUsage, readUsage } from './usage.ts';

const USAGE_SECONDS = 120;

export function createReading(context: Context): DockerReading {
  const { connection, ownership } = context;
  return {
    async info() {
      const { version, apiVersion } = await connection.server();
      const info = await connection.call('asking Docker about itself', (docker) => docker.info());
      const rootFolder = String(info.DockerRootDir ?? '');
      return { version, apiVersion, security: securityNames(info.SecurityOptions), rootFolder };
    },

    async containers() {
      const listed = await connection.call('listing containers', (docker, abortSignal) =>
        docker.listContainers({
          all: true,
          filters: { label: [`${LABEL.managed}=true`] },
          abortSignal,
        }),
      );
      const found = (listed as ListedContainer[]).map(readSummary);
      for (const { id } of found) ownership.remember(id);
      return found;
    },

    async container(idOrName) {
      requireName('container', idOrName);
      const found = await connection.call(
        `looking at container ${shortId(idOrName)}`,
        (docker, abortSignal) => unlessMissing(docker.getContainer(idOrName).inspect({ abortSignal })),
      );
      return found && readContainer(found as unknown as InspectedContainer);
    },

    async networks() {
      const listed = await connection.call('listing networks', (docker, abortSignal) =>
        docker.listNetworks({ abortSignal } as Parameters<typeof docker.listNetworks>[0]),
      );
      return (listed as unknown as ListedNetwork[]).map(readNetwork);
    },

    async volumes() {
      const ours = [...(await context.volumes())].filter(([, labels]) => isOurs(labels));
      return ours.map(([name, labels]) => ({ name, labels }));
    },

    image: (reference) => findImage(connection, reference),

    async imageIds() {
      const listed = await connection.call('listing images', (docker, abortSignal) =>
        docker.listImages({ abortSignal } as Parameters<typeof docker.listImages>[0]),
      );
      return new Set(listed.map(({ Id }) => Id));
    },

    async imagesInUse() {
      const listed = await connection.call('listing all containers', (docker, abortSignal) =>
        docker.listContainers({ all: true, abortSignal }),
      );
      return new Set(listed.map(({ ImageID }) => ImageID));
    },

    async publisherOf(hostPort) {
      const listed = await connection.call('asking who publishes a port', (docker, abortSignal) =>
        docker.listContainers({ filters: { publish: [`${hostPort}/tcp`] }, abortSignal }),
      );
      // Engines take the port in the container for the filter, too.
      const found = (listed as ListedContainer[]).find(({ Ports }) =>
        (Ports ?? []).some((port) => port.PublicPort === hostPort && port.Type === 'tcp'),
      );
      return found && readSummary(found).name;
    },

    async usage() {
      const found = await connection.call(
        'asking Docker what takes room',
        (docker, abortSignal) =>
          // The types know no options here; dockerode takes them.
          (docker as unknown as { df(options: object): Promise<unknown> }).df({ abortSignal }),
        { timeoutSeconds: USAGE_SECONDS },
      );
      return readUsage(found as DiskUsage);
    },

    async *logs(id, options = {}) {
      const about = `reading logs of container ${shortId(id)}`;
      requireName('container', id);
      const { signal } = options;
      const limits = signal === undefined ? {} : { signal };
      try {
        const found = await connection.call(
          about,
          (docker, abortSignal) => docker.getContainer(id).inspect({ abortSignal }),
          limits,
        );
        const stream = await connection.call(
          about,
          (docker, abortSignal) => openLogs(docker, id, logQuery(options), abortSignal),
          limits,
        );
        yield* readLines(stream, found.Config.Tty, signal);
      } catch (caught) {
        if (signal?.aborted) return;
        throw driverError(about, caught);
      }
    },
  };
}

export async function findImage(
  connection: Connection,
  reference: string,
): Promise<ImageDetails | undefined> {
  requireImageName(reference);
  const found = await connection.call(`looking at image ${reference}`, (docker, abortSignal) =>
    unlessMissing(docker.getImage(reference).inspect({ abortSignal } as object)),
  );
  return found && readImage(found as unknown as InspectedImage);
}

/** dockerode's own verb reads a log that is not followed whole, and takes one that looks like JSON for JSON. */
function openLogs(
  docker: Dockerode,
  id: string,
  query: Record<string, string | boolean>,
  abortSignal: AbortSignal,
): Promise<Readable> {
  return new Promise((resolve, reject) => {
    const request = {
      path: `/containers/${encodeURIComponent(id)}/logs?`,
      method: 'GET',
      isStream: true,
      statusCodes: { 200: true, 404: 'no such container', 500: 'server error' },
      options: query,
      abortSignal,
    };
    docker.modem.dial(request as unknown as Parameters<typeof docker.modem.dial>[0], (caught, stream) =>
      caught ? reject(caught) : resolve(stream as Readable),
    );
  });
}

function securityNames(options: unknown): string[] {
  if (!Array.isArray(options)) return [];
  return options.flatMap((option) => /name=([^,]+)/.exec(String(option))?.[1] ?? []);
}
