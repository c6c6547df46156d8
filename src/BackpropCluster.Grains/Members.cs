using System.Collections.Concurrent;
using System.Collections.Immutable;
using BackpropCluster.Core.Protocol;
using Orleans.Runtime;

namespace BackpropCluster.Grains;

/// <summary>The silos that may hold parts of a run, seen from one silo: members that can read its data.</summary>
internal sealed class Members(ILocalSiloDetails local, ISiloStatusOracle membership, IGrainFactory grains, TimeProvider time)
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan AskAgainAfter = TimeSpan.FromSeconds(10);
    private readonly ConcurrentDictionary<(string Silo, ulong Run), (Task<string?> Answer, long Asked)> checks = new();

    /// <summary>This silo, as placements name it.</summary>
    public string Local { get; } = local.SiloAddress.ToParsableString();

    public string LocalName { get; } = local.Name;

    /// <summary>Asks every member whether it can take part; waits for all answers.</summary>
    /// <returns>What is in the way, one sentence a silo.</returns>
    public async Task<List<string>> Check(RunPlan plan)
    {
        Task all = Task.WhenAll(Active().Select(silo => CheckOf(silo, plan)));
        await all.WaitAsync(Bound).ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);
        return Objections(plan);
    }

    /// <summary>What is in the way of members that cannot take part, as far as they have answered.</summary>
    public List<string> Objections(RunPlan plan) =>
        [.. Active().Select(silo => CheckOf(silo, plan)).Where(check => check.IsCompletedSuccessfully && check.Result is not null).Select(check => check.Result!)];

    /// <summary>The members that have said that they can take part: this silo first, the others sorted, so that two looks at an unchanged
    /// cluster are equal.</summary>
    public ImmutableArray<string> Of(RunPlan plan) =>
        [.. Active().Where(silo => CheckOf(silo, plan) is { IsCompletedSuccessfully: true, Result: null })];

    private IEnumerable<string> Active() => membership.GetApproximateSiloStatuses(onlyActive: true).Keys
        .Where(silo => !silo.Equals(local.SiloAddress)).Select(silo => silo.ToParsableString()).Order(StringComparer.Ordinal).Prepend(Local);

    private Task<string?> CheckOf(string silo, RunPlan plan)
    {
        var key = (silo, plan.Fingerprint);
        // A silo that did not answer is asked again: it was just coming, or going. One that objected may have got its files since.
        if (checks.TryGetValue(key, out var known) && (known.Answer.IsFaulted || (HasObjected(known.Answer) && time.GetElapsedTime(known.Asked) > AskAgainAfter)))
            checks.TryRemove(KeyValuePair.Create(key, known));
        return checks.GetOrAdd(key, _ => (grains.GetGrain<ISiloGrain>($"silo/{silo}").Check(plan).AsTask(), time.GetTimestamp())).Answer;
    }

    private static bool HasObjected(Task<string?> answer) => answer is { IsCompletedSuccessfully: true, Result: not null };
}
