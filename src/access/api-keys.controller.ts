import { Body, Controller, Delete, Get, Param, Post } from '@nestjs/common';
import { ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import { BodyPipe } from '../http/dto.pipe.js';
import { ApiAnswer, ApiProblems } from '../http/openapi.decorator.js';
import { Access, Caller } from './access.decorator.js';
import { ApiKeyDto, ApiKeyListDto, CreateApiKeyDto, CreatedApiKeyDto } from './api-key.dto.js';
import { KeyAdministration } from './key-administration.js';
import type { Principal } from './principal.js';

@ApiTags('api keys')
@Controller('v1/api-keys')
export class ApiKeysController {
  constructor(private readonly administration: KeyAdministration) {}

  @Post()
  @Access('keys:manage')
  @ApiOperation({
    operationId: 'createApiKey',
    summary: 'Make an API key, shown this once',
    description:
      'A key grants nothing that its maker does not hold. Recorded before the key works. After a lost answer the key may be there, known to nobody: revoke it and make another.',
  })
  @ApiBody({ type: CreateApiKeyDto })
  @ApiAnswer(201, CreatedApiKeyDto)
  @ApiProblems('invalid-json', 'invalid-body', 'payload-too-large', 'unsupported-media-type', 'database-unavailable')
  create(
    @Body(new BodyPipe(CreateApiKeyDto)) body: CreateApiKeyDto,
    @Caller() caller: Principal,
  ): Promise<CreatedApiKeyDto> {
    return this.administration.create(caller, body);
  }

  @Get()
  @Access('keys:manage')
  @ApiOperation({
    operationId: 'listApiKeys',
    summary: 'The keys, oldest first, revoked and expired ones among them; never the keys themselves',
    description: 'Only those whose ledgers are all among the ledgers of these credentials.',
  })
  @ApiAnswer(200, ApiKeyListDto)
  @ApiProblems()
  async list(@Caller() caller: Principal): Promise<ApiKeyListDto> {
    return { keys: await this.administration.list(caller) };
  }

  @Get(':id')
  @Access('keys:manage')
  @ApiOperation({ operationId: 'readApiKey', summary: 'One key, without the key itself' })
  @ApiAnswer(200, ApiKeyDto)
  @ApiProblems('key-not-found')
  read(@Param('id') id: string, @Caller() caller: Principal): Promise<ApiKeyDto> {
    return this.administration.find(caller, id);
  }

  @Delete(':id')
  @Access('keys:manage')
  @ApiOperation({
    operationId: 'revokeApiKey',
    summary: 'Revoke a key for good',
    description:
      'Recorded before it takes effect, which it does at once in the replica that answers, and in the others within 5 seconds. A key that is revoked already stays as it is.',
  })
  @ApiAnswer(200, ApiKeyDto)
  @ApiProblems('key-not-found', 'database-unavailable')
  revoke(@Param('id') id: string, @Caller() caller: Principal): Promise<ApiKeyDto> {
    return this.administration.revoke(caller, id);
  }
}
