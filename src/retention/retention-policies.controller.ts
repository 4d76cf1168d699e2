import { Body, Controller, Get, Post } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Access, Caller } from '../access/access.decorator.js';
import type { Principal } from '../access/principal.js';
import { BodyPipe } from '../http/dto.pipe.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { RetentionPolicies } from './retention-policies.js';
import { AddPolicyDto, RetentionPolicyDto, RetentionPolicyListDto } from './retention-policy.dto.js';

@ApiTags('retention')
@Controller('v1/retention-policies')
export class RetentionPoliciesController {
  constructor(private readonly policies: RetentionPolicies) {}

  @Get()
  @Access('operations:run', { everyLedger: true })
  @ApiOperation({ operationId: 'listRetentionPolicies', summary: 'For how long records of each class are kept' })
  @ApiAnswer(200, RetentionPolicyListDto)
  @ApiProblems('database-unavailable')
  async list(): Promise<RetentionPolicyListDto> {
    return { policies: await this.policies.list() };
  }

  @Post()
  @Access('operations:run', { everyLedger: true })
  @ApiOperation({
    operationId: 'addRetentionPolicy',
    summary: 'Have records of a class kept for longer',
    description:
      'From valid_from on, events of the class are kept for as many years from recorded_at on, those recorded before too; of several policies that match an event the longest counts. The next run of the job retention moves the locks of objects that are there. It cannot be taken back or shortened. Recorded before the answer; a refusal to shorten, too.',
  })
  @ApiBody({ type: AddPolicyDto })
  @ApiAnswer(201, RetentionPolicyDto)
  @ApiProblems('invalid-json', 'invalid-body', 'ledger-not-found', 'retention-shortened', 'database-unavailable')
  add(@Body(new BodyPipe(AddPolicyDto)) body: AddPolicyDto, @Caller() caller: Principal): Promise<RetentionPolicyDto> {
    const { ledger = null, entity_type = null, event_type = null, record_class, valid_from, years, reason } = body;
    return this.policies.add(caller, { record_class, valid_from, ledger, entity_type, event_type, years, reason });
  }
}
