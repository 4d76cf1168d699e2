import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import type { Principal } from '../access/principal.js';
import { shownFinding, type RecordedFinding } from '../chain/findings.js';
import { Verifications } from '../chain/verifications.js';
import { POOL } from '../database/tokens.js';
import { uuidv7 } from '../database/uuidv7.js';
import { ServiceLedger } from '../events/service-ledger.js';
import { Problem } from '../http/problem.js';
import type { JsonObject } from '../integrity/strict-json.js';
import { JobRunner } from '../jobs/job-runner.js';
import { Metrics } from '../operation/metrics.js';
import * as sql from './acknowledgements.sql.js';
import type { Acknowledgement, Subject } from './acknowledgements.sql.js';

export type { Acknowledgement };

/** Of a run's findings, in the event: well within what one may have. The acknowledgement itself has more. */
const RECORDED_FINDINGS = 100;

/** What a run has found. */
interface Found {
  isDone: boolean;
  /** as the run keeps them */
  findings: JsonObject[];
  findings_total: string;
}

/**
 * Says of what a run found that somebody has looked at it. Nothing becomes valid by that: verdicts, findings and proofs are
 * what they were. Alarms alone tell of what is not among it, so that the next finding is seen beside an old one.
 */
@Injectable()
export class Acknowledgements implements OnModuleInit {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    private readonly verifications: Verifications,
    private readonly runner: JobRunner,
    private readonly serviceLedger: ServiceLedger,
    private readonly metrics: Metrics,
  ) {}

  onModuleInit(): void {
    this.metrics.gauge(
      'truetrail_job_unacknowledged_findings',
      'Findings of the last good run of a job that verifies something, or of one that failed since, but for those that were acknowledged or could not be read',
      ['job'],
      async () => {
        const jobs = this.runner.list().map(({ job }) => job.name);
        const open = await sql.unacknowledgedOfJobs(this.pool, jobs);
        return open.map(({ job, findings }) => ({ labels: { job }, value: Number(findings) }));
      },
    );
  }

  /** Throws verification-not-found, nothing-to-acknowledge. */
  async ofVerification(caller: Principal, ledger: string, id: string, reason: string): Promise<Acknowledgement> {
    const { status, findings, findings_total } = await this.verifications.find(ledger, id);
    const found = { isDone: status === 'done', findings: findings as unknown as JsonObject[], findings_total };
    return this.acknowledge(caller, { ledger, job: null }, id, found, reason);
  }

  /** Throws job-not-found, nothing-to-acknowledge. */
  async ofJobRun(caller: Principal, job: string, id: string, reason: string): Promise<Acknowledgement> {
    const { status, outcome } = await this.runner.find(job, id);
    const { findings, findings_total: total } = outcome ?? {};
    const found = {
      isDone: status === 'done' || (status === 'failed' && Array.isArray(findings)),
      findings: Array.isArray(findings) ? (findings as JsonObject[]) : [],
      findings_total: typeof total === 'number' || typeof total === 'string' ? String(total) : '0',
    };
    return this.acknowledge(caller, { ledger: null, job }, id, found, reason);
  }

  /** The latest ones first. */
  async list(before: string | undefined, limit: number): Promise<Acknowledgement[]> {
    return (await sql.listAcknowledgements(this.pool, before, limit)).map(shown);
  }

  private async acknowledge(
    caller: Principal,
    subject: Subject,
    run: string,
    { isDone, findings, findings_total }: Found,
    reason: string,
  ): Promise<Acknowledgement> {
    if (!isDone)
      throw new Problem('nothing-to-acknowledge', 'The run has not ended well: wait for it, or run it again');
    if (findings.every(({ kind }) => kind === sql.UNREADABLE))
      throw new Problem('nothing-to-acknowledge', 'The run has found nothing, but for what it could not read');
    const id = uuidv7();
    await this.serviceLedger.record({
      event_type: 'acknowledgement',
      entity_type: subject.job === null ? 'verification' : 'job_run',
      entity_id: run,
      action: 'acknowledge',
      user_id: caller.id,
      new_state: {
        id,
        ...(subject.job === null ? { ledger: subject.ledger } : { job: subject.job }),
        findings_total,
        findings: shownFindings(subject, findings).slice(0, RECORDED_FINDINGS),
      },
      metadata: { reason },
    });
    const acknowledged_by = caller.id;
    const wanted = { id, ...subject, run, findings, findings_total, reason, acknowledged_by };
    return shown(await sql.insertAcknowledgement(this.pool, wanted));
  }
}

function shown(acknowledgement: Acknowledgement): Acknowledgement {
  return { ...acknowledgement, findings: shownFindings(acknowledgement, acknowledgement.findings) };
}

/** Those of a verification without what only runs need. */
function shownFindings({ job }: Subject, findings: JsonObject[]): JsonObject[] {
  return job === null ? findings.map((each) => shownFinding(each as unknown as RecordedFinding)) : findings;
}
