using System.Collections.Concurrent;
using System.Collections.Immutable;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;
using Orleans.Runtime;

namespace BackpropCluster.Grains.Silos;

/// <summary>The silos that may hold actors of a run, seen from one silo: members that can read its data.</summary>
/// <remarks>An answer is only what a silo could do when it was asked: its files may be edited a moment later. That is
/// harmless, since whoever opens them compares the hash of what it reads; such a silo refuses, and takes no part from
/// then on (<see cref="Object"/>) until it is asked again.</remarks>
internal sealed class EligibleSilos(
    ILocalSiloDetails local,
    ISiloStatusOracle membership,
    IGrainFactory grains,
    TimeProvider time
)
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan AskAgainAfter = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan ForgottenAfter = TimeSpan.FromMinutes(2);
    private readonly ConcurrentDictionary<(string Silo, ulong Run), Question> checks = new();

    /// <summary>How many answers are remembered.</summary>
    public int Remembered => checks.Count;

    /// <summary>This silo, as placements name it.</summary>
    public string Local { get; } = local.SiloAddress.ToParsableString();

    public string LocalName { get; } = local.Name;

    /// <summary>Asks every member whether it can take part; waits for all answers.</summary>
    /// <returns>What is in the way, one sentence a silo.</returns>
    public async Task<List<string>> Check(RunPlan plan)
    {
        // A beginning does not count what was in the way of an earlier one: the files may be back.
        foreach (var (key, old) in checks)
            if (key.Run == plan.Fingerprint && HasObjected(old.Answer))
                checks.TryRemove(KeyValuePair.Create(key, old));
        Task all = Task.WhenAll(Active().Select(silo => CheckOf(silo, plan)));
        await all.WaitAsync(Bound)
            .ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);
        return Objections(plan);
    }

    /// <summary>What is in the way of members that cannot take part, as far as they have answered.</summary>
    public List<string> Objections(RunPlan plan) =>
        [
            .. Active()
                .Select(silo => CheckOf(silo, plan))
                .Where(check => check.IsCompletedSuccessfully && check.Result is not null)
                .Select(check => check.Result!),
        ];

    /// <summary>The members that have said that they can take part: this silo first, the others sorted, so that two
    /// looks at an unchanged cluster are equal.</summary>
    public ImmutableArray<string> Of(RunPlan plan) =>
        [.. Active().Where(silo => CheckOf(silo, plan) is { IsCompletedSuccessfully: true, Result: null })];

    /// <summary>A silo has said, unasked, that it cannot go on with a run. What others have said about their files may
    /// be as old as what it had said, so they are asked anew; until they answer, the old answers stand.</summary>
    public void Object(string silo, RunPlan plan, string objection)
    {
        foreach (var other in Active().Where(s => s != silo && checks.ContainsKey((s, plan.Fingerprint))))
            if (CheckOf(other, plan) is { IsCompletedSuccessfully: true, Result: null })
                _ = AskAnew(other, plan);
        checks[(silo, plan.Fingerprint)] = new Question(Task.FromResult<string?>(objection), time.GetTimestamp());
    }

    private async Task AskAnew(string silo, RunPlan plan)
    {
        var (asked, answer) = (time.GetTimestamp(), Ask(silo, plan));
        Task any = answer;
        await any.WaitAsync(Bound).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (HasObjected(answer))
            checks[(silo, plan.Fingerprint)] = new Question(answer, asked);
    }

    private Task<string?> Ask(string silo, RunPlan plan) =>
        grains.GetGrain<ISiloGrain>(ActorKeys.Silo(silo)).Check(plan).AsTask();

    private IEnumerable<string> Active() =>
        membership
            .GetApproximateSiloStatuses(onlyActive: true)
            .Keys.Where(silo => !silo.Equals(local.SiloAddress))
            .Select(silo => silo.ToParsableString())
            .Order(StringComparer.Ordinal)
            .Prepend(Local);

    private Task<string?> CheckOf(string silo, RunPlan plan)
    {
        var key = (silo, plan.Fingerprint);
        // A silo that did not answer is asked again: it was just coming, or going. One that objected may have got its
        // files since.
        if (
            checks.TryGetValue(key, out var known)
            && (
                known.Answer.IsFaulted
                || (HasObjected(known.Answer) && time.GetElapsedTime(known.Asked) > AskAgainAfter)
            )
        )
            checks.TryRemove(KeyValuePair.Create(key, known));
        if (!checks.TryGetValue(key, out known))
            known = Remember(key, plan);
        known.LastUsed = time.GetTimestamp();
        return known.Answer;
    }

    private Question Remember((string Silo, ulong Run) key, RunPlan plan)
    {
        // Whoever leads a run looks several times a second. What nobody looks at is of runs that are over and of silos
        // that are gone.
        foreach (var (other, old) in checks)
            if (time.GetElapsedTime(old.LastUsed) > ForgottenAfter)
                checks.TryRemove(KeyValuePair.Create(other, old));
        return checks.GetOrAdd(key, _ => new Question(Ask(key.Silo, plan), time.GetTimestamp()));
    }

    private static bool HasObjected(Task<string?> answer) =>
        answer is { IsCompletedSuccessfully: true, Result: not null };

    private sealed record Question(Task<string?> Answer, long Asked)
    {
        public long LastUsed { get; set; } = Asked;
    }
}
