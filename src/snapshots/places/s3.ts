import type { CompletedPart, S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import { OutsideFailure } from '../../base/errors.ts';
import type { Schedule } from '../schedule.ts';
import { type SnapshotPlace, snapshotTime } from './place.ts';

/** S3 takes parts of 5 MiB and more, and 10,000 of them. They grow, so that a file of any size gets by with that many. */
const PART_BYTES = 8 * 1024 * 1024;
const PARTS_OF_ONE_SIZE = 1000;
const CONNECT_MS_MAX = 10_000;
const REQUEST_MS_MAX = 120_000;

type Sdk = typeof import('@aws-sdk/client-s3');

/** A bucket of S3, or of what speaks like it, through AWS's own client, loaded when it is first used. */
export async function openS3(schedule: Schedule): Promise<SnapshotPlace> {
  const sdk = await import('@aws-sdk/client-s3');
  return new Bucket(sdk, new sdk.S3Client(clientConfig(schedule)), schedule);
}

class Bucket implements SnapshotPlace {
  readonly #sdk: Sdk;
  readonly #client: S3Client;
  readonly #schedule: Schedule;
  /** Of every key, with its slash. */
  readonly #folder: string;

  constructor(sdk: Sdk, client: S3Client, schedule: Schedule) {
    this.#sdk = sdk;
    this.#client = client;
    this.#schedule = schedule;
    const prefix = schedule.path_prefix.replace(/^\/+|\/+$/g, '');
    this.#folder = prefix === '' ? '' : `${prefix}/`;
  }

  url(name: string): string {
    return `s3://${this.#schedule.aws_s3_bucket}/${this.#folder}${name}`;
  }

  /** In parts, each of which is in memory while it is sent: the length of the whole is not known before its end. */
  async write(name: string, body: AsyncIterable<Buffer>, signal: AbortSignal): Promise<void> {
    const { CreateMultipartUploadCommand, CompleteMultipartUploadCommand, AbortMultipartUploadCommand } =
      this.#sdk;
    const place = this.#placeOf(name);
    const options = { abortSignal: signal };
    const begin = new CreateMultipartUploadCommand({
      ...place,
      ...this.#encryption,
      ContentType: 'application/gzip',
    });
    const { UploadId } = await told(this.#client.send(begin, options));
    const upload = { ...place, UploadId };
    try {
      const { parts, bytes } = await this.#sendParts(upload, body, signal);
      const complete = new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: parts } });
      await told(this.#client.send(complete, options));
      await this.#checkLength(place, bytes);
    } catch (error) {
      await this.#client.send(new AbortMultipartUploadCommand(upload)).catch(() => {});
      throw error;
    }
  }

  async names(): Promise<string[]> {
    const { ListObjectsV2Command } = this.#sdk;
    const names: string[] = [];
    let token: string | undefined;
    do {
      const command = new ListObjectsV2Command({ ...this.#range, ContinuationToken: token });
      const page = await told(this.#client.send(command));
      for (const { Key = '' } of page.Contents ?? []) names.push(...this.#own(Key));
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token);
    return names;
  }

  async remove(name: string): Promise<void> {
    await told(this.#client.send(new this.#sdk.DeleteObjectCommand(this.#placeOf(name))));
  }

  /** Uploads that a crash cut short stay, and cost, until somebody ends them. */
  async tidy(): Promise<void> {
    const { ListMultipartUploadsCommand, AbortMultipartUploadCommand } = this.#sdk;
    const page = await told(this.#client.send(new ListMultipartUploadsCommand(this.#range)));
    for (const { Key = '', UploadId } of page.Uploads ?? []) {
      for (const name of this.#own(Key))
        await told(this.#client.send(new AbortMultipartUploadCommand({ ...this.#placeOf(name), UploadId })));
    }
  }

  close(): void {
    this.#client.destroy();
  }

  async #sendParts(
    upload: { Bucket: string; Key: string; UploadId: string | undefined },
    body: AsyncIterable<Buffer>,
    signal: AbortSignal,
  ): Promise<{ parts: CompletedPart[]; bytes: number }> {
    const parts: CompletedPart[] = [];
    let sent = 0;
    for await (const Body of inParts(body)) {
      const PartNumber = parts.length + 1;
      const command = new this.#sdk.UploadPartCommand({ ...upload, PartNumber, Body });
      const { ETag } = await told(this.#client.send(command, { abortSignal: signal }));
      parts.push({ ETag, PartNumber });
      sent += Body.length;
    }
    return { parts, bytes: sent };
  }

  async #checkLength(place: { Bucket: string; Key: string }, bytes: number): Promise<void> {
    const { ContentLength } = await told(this.#client.send(new this.#sdk.HeadObjectCommand(place)));
    if (ContentLength !== bytes)
      throw new OutsideFailure(`the bucket has ${ContentLength} bytes of a snapshot of ${bytes}`);
  }

  #placeOf(name: string): { Bucket: string; Key: string } {
    return { Bucket: this.#schedule.aws_s3_bucket, Key: this.#folder + name };
  }

  get #range(): { Bucket: string; Prefix: string } {
    const { aws_s3_bucket, file_prefix } = this.#schedule;
    return { Bucket: aws_s3_bucket, Prefix: `${this.#folder}${file_prefix}-` };
  }

  /** The name in the key, if it is one of this schedule. */
  #own(key: string): string[] {
    const name = key.slice(this.#folder.length);
    return snapshotTime(this.#schedule.file_prefix, name) === undefined ? [] : [name];
  }

  get #encryption() {
    const { aws_s3_enable_kms, aws_s3_kms_key, aws_s3_server_side_encryption } = this.#schedule;
    if (aws_s3_enable_kms)
      return {
        ServerSideEncryption: 'aws:kms' as const,
        ...(aws_s3_kms_key && { SSEKMSKeyId: aws_s3_kms_key }),
      };
    return aws_s3_server_side_encryption ? { ServerSideEncryption: 'AES256' as const } : {};
  }
}

async function* inParts(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let collected: Buffer[] = [];
  let bytes = 0;
  let count = 0;
  const partBytes = () => PART_BYTES * 2 ** Math.floor(count / PARTS_OF_ONE_SIZE);
  for await (const piece of body) {
    collected.push(piece);
    bytes += piece.length;
    if (bytes < partBytes()) continue;
    yield Buffer.concat(collected);
    collected = [];
    bytes = 0;
    count += 1;
  }
  if (bytes > 0) yield Buffer.concat(collected);
}

function clientConfig(schedule: Schedule): S3ClientConfig {
  const { aws_access_key_id, aws_secret_access_key, aws_session_token, aws_s3_endpoint } = schedule;
  const scheme = schedule.aws_s3_disable_tls ? 'http' : 'https';
  const endpoint = /^https?:\/\//.test(aws_s3_endpoint) ? aws_s3_endpoint : `${scheme}://${aws_s3_endpoint}`;
  return {
    region: schedule.aws_s3_region,
    forcePathStyle: schedule.aws_s3_force_path_style,
    maxAttempts: 3,
    requestHandler: { connectionTimeout: CONNECT_MS_MAX, requestTimeout: REQUEST_MS_MAX },
    // What only speaks like S3 often knows none of the newer checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...(aws_s3_endpoint && { endpoint }),
    ...(aws_access_key_id && {
      credentials: {
        accessKeyId: aws_access_key_id,
        secretAccessKey: aws_secret_access_key,
        ...(aws_session_token && { sessionToken: aws_session_token }),
      },
    }),
  };
}

/** What the service says is for the operator to read; it has no credentials in it. */
async function told<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    const { name, message } = error as Error;
    throw new OutsideFailure(`S3: ${name}: ${message}`, { cause: error });
  }
}
