import { CreateRolesAndLedgers1795305600000 } from './1795305600000-create-roles-and-ledgers.js';
import { CreateAuditEvents1795305601000 } from './1795305601000-create-audit-events.js';
import { CreateAppendFunction1795305602000 } from './1795305602000-create-append-function.js';
import { CreateApiKeysAndRuns1795305603000 } from './1795305603000-create-api-keys-and-runs.js';
import { CreateArchiveCatalogue1795651200000 } from './1795651200000-create-archive-catalogue.js';
import { CreateLegalHolds1795824000000 } from './1795824000000-create-legal-holds.js';
import { SealAndDropMonths1795910400000 } from './1795910400000-seal-and-drop-months.js';
import { SignCheckpoints1796083200000 } from './1796083200000-sign-checkpoints.js';
import { KeepCosignaturesAndTimestamps1796169600000 } from './1796169600000-keep-cosignatures-and-timestamps.js';
import { KeepAndDeleteMonths1796256000000 } from './1796256000000-keep-and-delete-months.js';
import { NoteServerIdentity1796342400000 } from './1796342400000-note-server-identity.js';
import { KeepDigests1796428800000 } from './1796428800000-keep-digests.js';
import { IndexCheckpointsByAnchor1796601600000 } from './1796601600000-index-checkpoints-by-anchor.js';
import { StoreCosignatures1796608800000 } from './1796608800000-store-cosignatures.js';
import { KeepReportRuns1796860800000 } from './1796860800000-keep-report-runs.js';
import { KeepTheLastGoodCopy1796947200000 } from './1796947200000-keep-the-last-good-copy.js';
import { TakeBackBegunDeletions1796947201000 } from './1796947201000-take-back-begun-deletions.js';
import { StateContentsWithTheObject1796947202000 } from './1796947202000-state-contents-with-the-object.js';
import { FollowSuccessions1797033600000 } from './1797033600000-follow-successions.js';
import { RequireASecondPerson1797033601000 } from './1797033601000-require-a-second-person.js';
import { GrowTreesInTurn1797120000000 } from './1797120000000-grow-trees-in-turn.js';
import { GiveKeysLinesOfSuccessions1797206400000 } from './1797206400000-give-keys-lines-of-successions.js';
import { KeepEvidenceRuns1797206400100 } from './1797206400100-keep-evidence-runs.js';
import { FindHoldersByPlace1797206400200 } from './1797206400200-find-holders-by-place.js';
import { KeepReferenceData1797206400400 } from './1797206400400-keep-reference-data.js';
import { FindReferenceDataByValue1797292800300 } from './1797292800300-find-reference-data-by-value.js';
import { CountAttemptsOfRuns1797292800400 } from './1797292800400-count-attempts-of-runs.js';
import { KeepTransactionReporting1797300000100 } from './1797300000100-keep-transaction-reporting.js';
import { ForgetJobRuns1797379200000 } from './1797379200000-forget-job-runs.js';
import { AcknowledgeFindings1797465600000 } from './1797465600000-acknowledge-findings.js';
import { KeepFilesAsSent1797552000000 } from './1797552000000-keep-files-as-sent.js';
import { KeepHeldReports1797552100000 } from './1797552100000-keep-held-reports.js';
import { KeepWhatReportsRead1797638400000 } from './1797638400000-keep-what-reports-read.js';
import { JudgeFeedbackAgain1797642371000 } from './1797642371000-judge-feedback-again.js';
import { ReadTablesOfKeys1797650067000 } from './1797650067000-read-tables-of-keys.js';
import { KeepUnrecordedRecoveries1797663245000 } from './1797663245000-keep-unrecorded-recoveries.js';
import { KeepUnrecordedCloses1797671357000 } from './1797671357000-keep-unrecorded-closes.js';
import { KeepLateExecutions1797698437000 } from './1797698437000-keep-late-executions.js';
import { KeepPartiesOfSubmissions1797704113000 } from './1797704113000-keep-parties-of-submissions.js';
import { ListMonthsThatHadLeft1797733800000 } from './1797733800000-list-months-that-had-left.js';
import { CountOvertakings1797760000000 } from './1797760000000-count-overtakings.js';

/** Every migration, in the order in which they run. */
export const MIGRATIONS = [
  CreateRolesAndLedgers1795305600000,
  CreateAuditEvents1795305601000,
  CreateAppendFunction1795305602000,
  CreateApiKeysAndRuns1795305603000,
  CreateArchiveCatalogue1795651200000,
  CreateLegalHolds1795824000000,
  SealAndDropMonths1795910400000,
  SignCheckpoints1796083200000,
  KeepCosignaturesAndTimestamps1796169600000,
  KeepAndDeleteMonths1796256000000,
  NoteServerIdentity1796342400000,
  KeepDigests1796428800000,
  IndexCheckpointsByAnchor1796601600000,
  StoreCosignatures1796608800000,
  KeepReportRuns1796860800000,
  KeepTheLastGoodCopy1796947200000,
  TakeBackBegunDeletions1796947201000,
  StateContentsWithTheObject1796947202000,
  FollowSuccessions1797033600000,
  RequireASecondPerson1797033601000,
  GrowTreesInTurn1797120000000,
  GiveKeysLinesOfSuccessions1797206400000,
  KeepEvidenceRuns1797206400100,
  FindHoldersByPlace1797206400200,
  KeepReferenceData1797206400400,
  FindReferenceDataByValue1797292800300,
  CountAttemptsOfRuns1797292800400,
  KeepTransactionReporting1797300000100,
  ForgetJobRuns1797379200000,
  AcknowledgeFindings1797465600000,
  KeepFilesAsSent1797552000000,
  KeepHeldReports1797552100000,
  KeepWhatReportsRead1797638400000,
  JudgeFeedbackAgain1797642371000,
  ReadTablesOfKeys1797650067000,
  KeepUnrecordedRecoveries1797663245000,
  KeepUnrecordedCloses1797671357000,
  KeepLateExecutions1797698437000,
  KeepPartiesOfSubmissions1797704113000,
  ListMonthsThatHadLeft1797733800000,
  CountOvertakings1797760000000,
];
