# Deploys a plain template, of a release or of an app of yours. Destroying the root-access stack disables nothing.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.0" }
  }
}

data "aws_region" "current" {}

data "aws_partition" "current" {}

locals {
  # With the stack's name: two modules with the same object would undo each other's tags, and delete it.
  prefix   = "${var.prefix}${var.name}/"
  template = "${var.release}/${var.template}.template.json"
  # A template without functions has no parameters for code.
  has_code = can(jsondecode(file(local.template)).Parameters.CodeBucket)
  code     = local.has_code ? { CodeBucket = var.bucket, CodePrefix = local.prefix } : {}
}

resource "aws_s3_object" "code" {
  for_each = local.has_code ? fileset(var.release, "*.zip") : toset([])

  bucket = var.bucket
  key    = "${local.prefix}${each.value}"
  source = "${var.release}/${each.value}"
  tags   = var.tags

  # A deployment that fails goes back to the code that was there.
  lifecycle { create_before_destroy = true }
}

# By its address, because root-tasks is too large to be passed as text; with its hash, which Terraform sees.
resource "aws_s3_object" "template" {
  bucket = var.bucket
  key    = "${local.prefix}${var.template}-${filemd5(local.template)}.template.json"
  source = local.template
  tags   = var.tags

  lifecycle { create_before_destroy = true }
}

resource "aws_cloudformation_stack" "stack" {
  name         = var.name
  template_url = "https://s3.${data.aws_region.current.id}.${data.aws_partition.current.dns_suffix}/${var.bucket}/${aws_s3_object.template.key}"
  capabilities = ["CAPABILITY_IAM"]
  iam_role_arn = var.iam_role_arn
  tags         = var.tags
  parameters   = merge(local.code, var.parameters)

  depends_on = [aws_s3_object.code]
}
